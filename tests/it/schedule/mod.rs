//! Schedules against an oracle that walks through time as crond does.

mod crontab;
mod random;
mod starts;
mod transitions;

use chrono::{DateTime, TimeDelta};
use chrono_tz::Tz;
use runner::model::{
    Catchup, Clock, CronRule, OverlapPolicy, Rule, Schedule, Timestamp, Timetable,
};

/// A cron line in a zone, without limits.
fn schedule(rule: CronRule, zone: Tz) -> Schedule {
    Schedule::Ticks(Timetable {
        clocks: vec![Clock::new(Rule::Cron(rule), zone)],
        catchup: Catchup::default(),
        overlap: OverlapPolicy::default(),
        jitter: std::time::Duration::ZERO,
    })
}

/// The ticks in `(from, to]` as seconds since the epoch.
fn ticks(schedule: &Schedule, from: i64, to: i64) -> Vec<i64> {
    let ticks = schedule.ticks_after(moment(from)).map(|tick| {
        assert_eq!(tick.timestamp_subsec_nanos(), 0);
        tick.timestamp()
    });
    ticks.take_while(|tick| *tick <= to).collect()
}

fn moment(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(seconds, 0).expect("a date")
}

/// Every question about the ticks of a window has the answer that its list of ticks gives; what
/// comes next is asked at so many points of the window.
fn check(schedule: &Schedule, expected: &[i64], (from, to): (i64, i64), points: i64, what: &str) {
    let show = |ticks: &[i64]| -> Vec<String> {
        let zone = schedule.clocks()[0].timezone;
        let show = |tick: &i64| moment(*tick).with_timezone(&zone).to_rfc3339();
        ticks.iter().map(show).collect()
    };
    let found = ticks(schedule, from, to);
    assert!(
        found == expected,
        "{what} after {}: expected {:#?}, found {:#?}",
        moment(from),
        show(expected),
        show(&found),
    );
    // From inside, not only from tick to tick.
    for step in 1..points {
        let at = from + (to - from) * step / points;
        let next = expected.iter().find(|tick| **tick > at).copied();
        let answer = schedule.next_after(moment(at) + TimeDelta::milliseconds(step));
        let answer = answer
            .map(|tick| tick.timestamp())
            .filter(|tick| *tick <= to);
        assert_eq!(answer, next, "{what}: the tick after {}", moment(at));
    }
    if let Some((last, before)) = expected.split_last() {
        assert_eq!(
            schedule.previous(moment(to + 1)),
            Some(moment(*last)),
            "{what}: the last"
        );
        let interval = schedule.interval_ending(moment(*last));
        assert_eq!(interval.end, moment(*last), "{what}");
        if let Some(before) = before.last() {
            assert_eq!(
                interval.start,
                moment(*before),
                "{what}: the one before the last"
            );
        }
    }
}
