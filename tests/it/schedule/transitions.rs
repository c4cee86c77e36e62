//! Every change of the clocks of every zone from 2000 to 2040.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::{TZ_VARIANTS, Tz};
use runner::model::CronRule;

use super::crontab::{Line, Wall, offset};
use super::{check, schedule};

/// 2000-01-01 and 2041-01-01.
pub const YEARS: (i64, i64) = (946_684_800, 2_240_524_800);
const DAY: i64 = 86_400;
const HOUR: i64 = 3600;

/// The moments from 2000 to 2040 at which the offset of a zone changes.
pub fn transitions(zone: Tz) -> Vec<i64> {
    let mut found = Vec::new();
    let mut low = YEARS.0;
    while low < YEARS.1 {
        // No zone has changed twice within four days.
        let high = low + 4 * DAY;
        let before = offset(zone, low);
        if offset(zone, high) != before {
            let (mut same, mut other) = (low, high);
            while other - same > 1 {
                let middle = same + (other - same) / 2;
                if offset(zone, middle) == before {
                    same = middle;
                } else {
                    other = middle;
                }
            }
            found.push(other);
        }
        low = high;
    }
    found
}

/// Lines around a change of the local time from `one` to `other`: fixed times and wildcards
/// before it, in it, at its edges and after it.
fn lines(one: i64, other: i64) -> Vec<String> {
    let clock = |local: i64| (local / 60 % 60, local / HOUR % 24);
    let (low, high) = (one.min(other), one.max(other));
    let mut lines = Vec::new();
    for point in [
        low - 60,
        low,
        low + 60,
        i64::midpoint(low, high),
        high - 60,
        high,
        high + 60,
    ] {
        let (minute, hour) = clock(point);
        lines.push(format!("{minute} {hour} * * *"));
    }
    let (minute, hour) = clock(i64::midpoint(low, high));
    let after = (hour + 1) % 24;
    lines.extend([
        format!("0,{minute} {hour},{after} * * *"),
        format!("0-59/7 {hour} * * *"),
        format!("*/20 {hour} * * *"),
        format!("{minute} * * * *"),
        format!("{minute} */2 * * *"),
        "*/23 * * * *".to_owned(),
    ]);
    lines
}

#[test]
fn every_change_of_every_zone_is_survived() {
    // Zones that change alike are one case.
    let mut changes: BTreeMap<(i64, i64, i64), Tz> = BTreeMap::new();
    for zone in TZ_VARIANTS {
        for at in transitions(zone) {
            let key = (at, offset(zone, at - 1), offset(zone, at));
            changes.entry(key).or_insert(zone);
        }
    }
    assert!(changes.len() > 2000, "{}", changes.len());
    // All lines for the first change of its kind, three in turn for the others of that kind.
    let mut kinds = BTreeSet::new();
    for (turn, ((at, before, after), zone)) in changes.iter().enumerate() {
        let (from, to) = (at - 4 * HOUR, at + 4 * HOUR);
        let wall = Wall::new(*zone, from, to, 60);
        let mut lines = lines(at + before, at + after);
        if !kinds.insert(((at + before).rem_euclid(DAY), before, after)) {
            let count = lines.len();
            lines.rotate_left(turn * 3 % count);
            lines.truncate(3);
        }
        for text in lines {
            let expected = Line::read(&text).watch(&wall, from);
            let rule = CronRule::parse(&text).unwrap();
            let what = format!("{text} {zone}");
            check(&schedule(rule, *zone), &expected, (from, to), 9, &what);
        }
    }
}
