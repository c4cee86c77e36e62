//! Lines, zones and moments drawn by chance. A failing case is kept in `proptest-regressions/`.

use chrono::{NaiveTime, TimeDelta};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;
use proptest::sample::select;
use runner::model::CronRule;

use super::crontab::{Line, Wall};
use super::transitions::{YEARS, transitions};
use super::{check, moment, schedule};

const HOUR: i64 = 3600;

/// One item of a field: a value, a range, steps.
fn item(low: u32, high: u32) -> impl Strategy<Value = String> {
    let range = (low..=high, low..=high).prop_map(|(a, b)| (a.min(b), a.max(b)));
    prop_oneof![
        4 => (low..=high).prop_map(|value| value.to_string()),
        2 => range.clone().prop_map(|(from, to)| format!("{from}-{to}")),
        2 => (range, 1..=7u32).prop_map(|((from, to), step)| format!("{from}-{to}/{step}")),
        1 => (2..=7u32).prop_map(|step| format!("*/{step}")),
    ]
}

/// A field; `*` in `stars` of ten.
fn field(low: u32, high: u32, stars: u32) -> impl Strategy<Value = String> {
    let list = proptest::collection::vec(item(low, high), 1..4).prop_map(|items| items.join(","));
    prop_oneof![stars => Just("*".to_owned()), 10 - stars => list]
}

fn weekday() -> impl Strategy<Value = String> {
    let names = select(vec!["sun", "mon-fri", "tue,thu", "fri-7", "0,3", "1-5/2"]);
    prop_oneof![6 => field(0, 7, 9), 1 => names.prop_map(str::to_owned)]
}

fn month() -> impl Strategy<Value = String> {
    prop_oneof![6 => field(1, 12, 9), 1 => select(vec!["mar,oct", "apr-nov"]).prop_map(str::to_owned)]
}

fn five() -> impl Strategy<Value = String> {
    (
        field(0, 59, 2),
        field(0, 23, 4),
        field(1, 31, 8),
        month(),
        weekday(),
    )
        .prop_map(|(m, h, d, month, w)| format!("{m} {h} {d} {month} {w}"))
}

fn six() -> impl Strategy<Value = String> {
    (
        item(0, 59),
        field(0, 59, 2),
        field(0, 23, 6),
        field(1, 31, 9),
        weekday(),
    )
        .prop_map(|(s, m, h, d, w)| format!("{s} {m} {h} {d} * {w}"))
}

/// A zone and a moment from 2000 to 2040, as a rule near a change of its clocks.
fn place() -> impl Strategy<Value = (Tz, i64)> {
    (
        0..TZ_VARIANTS.len(),
        YEARS.0..YEARS.1,
        -30 * HOUR..6 * HOUR,
        0..4u8,
    )
        .prop_map(|(zone, at, beside, plain)| {
            let zone = TZ_VARIANTS[zone];
            if plain == 0 {
                return (zone, at);
            }
            let near = transitions(zone)
                .into_iter()
                .min_by_key(|change| (change - at).abs());
            (zone, near.map_or(at, |change| change + beside))
        })
}

/// The first tick after a moment, within 400 days of it: days that can't match are passed over.
fn first(line: &Line, zone: Tz, from: i64) -> Option<i64> {
    let today = moment(from).with_timezone(&zone).date_naive();
    let dates = (-1..400).map(|day| today + TimeDelta::days(day));
    dates.filter(|date| line.on_date(*date)).find_map(|date| {
        let midnight = date.and_time(NaiveTime::MIN).and_utc().timestamp();
        let wall = Wall::new(zone, midnight - 24 * HOUR, midnight + 48 * HOUR, 60);
        line.watch(&wall, from).first().copied()
    })
}

proptest! {
    /// Two days of a line by minutes, and its first tick within 400 days.
    #[test]
    fn lines_of_minutes((zone, from) in place(), text in five()) {
        let line = Line::read(&text);
        let what = format!("{text} {zone}");
        match CronRule::parse(&text) {
            Ok(rule) => {
                let schedule = schedule(rule, zone);
                let to = from + 48 * HOUR;
                let expected = line.watch(&Wall::new(zone, from, to, 60), from);
                check(&schedule, &expected, (from, to), 97, &what);
                let next = schedule.next_after(moment(from));
                match first(&line, zone, from) {
                    Some(tick) => prop_assert_eq!(next.map(|next| next.timestamp()), Some(tick), "{}", what),
                    None => prop_assert!(
                        next.is_none_or(|next| next.timestamp() > from + 396 * 24 * HOUR),
                        "{}: {:?}", what, next
                    ),
                }
            }
            Err(mistakes) => {
                prop_assert!(mistakes[0].message.contains("never comes"), "{}: {:?}", what, mistakes);
                prop_assert_eq!(first(&line, zone, from), None, "{}", what);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    /// Some hours of a line by seconds.
    #[test]
    fn lines_of_seconds((zone, near) in place(), hours in 0..30i64, text in six()) {
        let from = near + hours * HOUR;
        let to = from + 4 * HOUR;
        let line = Line::read(&text);
        if let Ok(rule) = CronRule::parse(&text) {
            let expected = line.watch(&Wall::new(zone, from, to, line.step), from);
            check(&schedule(rule, zone), &expected, (from, to), 17, &format!("{text} {zone}"));
        }
    }
}
