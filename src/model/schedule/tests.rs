use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use chrono_tz::Tz;

use super::{Catchup, Clock, CronRule, Every, OverlapPolicy, Rule, Schedule, Timetable};
use crate::model::Timestamp;

fn at(text: &str) -> Timestamp {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn zone(name: &str) -> Tz {
    name.parse().unwrap()
}

pub(super) fn cron(text: &str, name: &str) -> Clock {
    Clock::new(Rule::Cron(CronRule::parse(text).unwrap()), zone(name))
}

fn every(seconds: u64, anchor: &str) -> Clock {
    let period = Duration::from_secs(seconds);
    let anchor = at(anchor);
    Clock::new(Rule::Every(Every { period, anchor }), Tz::UTC)
}

pub(super) fn schedule(clocks: Vec<Clock>) -> Schedule {
    Schedule::Ticks(Timetable {
        clocks,
        catchup: Catchup::default(),
        overlap: OverlapPolicy::default(),
        jitter: Duration::ZERO,
    })
}

/// The ticks after a moment as local times with their offsets, as far as `count`.
pub(super) fn local(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let zone = schedule.clocks()[0].timezone;
    schedule
        .ticks_after(at(after))
        .take(count)
        .map(|tick| {
            tick.with_timezone(&zone)
                .to_rfc3339_opts(SecondsFormat::Secs, true)
        })
        .collect()
}

fn utc(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    schedule
        .ticks_after(at(after))
        .take(count)
        .map(|tick| tick.to_rfc3339_opts(SecondsFormat::AutoSi, true))
        .collect()
}

#[test]
fn cron_means_what_crontab_means() {
    for (text, expected) in [
        // 2026-01-01 is a Thursday. Either day field, when neither begins with `*`.
        (
            "0 0 1,15 * fri",
            ["2026-01-02", "2026-01-09", "2026-01-15", "2026-01-16"],
        ),
        (
            "0 0 15 * *",
            ["2026-01-15", "2026-02-15", "2026-03-15", "2026-04-15"],
        ),
        (
            "0 0 * * 0",
            ["2026-01-04", "2026-01-11", "2026-01-18", "2026-01-25"],
        ),
        (
            "0 0 * * 7",
            ["2026-01-04", "2026-01-11", "2026-01-18", "2026-01-25"],
        ),
        (
            "0 0 * * 6-7",
            ["2026-01-03", "2026-01-04", "2026-01-10", "2026-01-11"],
        ),
        (
            "0 0 * * Sat-SUN",
            ["2026-01-03", "2026-01-04", "2026-01-10", "2026-01-11"],
        ),
        (
            "0 0 * * */3",
            ["2026-01-03", "2026-01-04", "2026-01-07", "2026-01-10"],
        ),
        // A step of `*` counts as unrestricted: both fields must match.
        (
            "0 0 */10 * thu",
            ["2026-01-01", "2026-05-21", "2026-06-11", "2026-10-01"],
        ),
        (
            "0 0 1 JAN-mar/2 *",
            ["2026-03-01", "2027-01-01", "2027-03-01", "2028-01-01"],
        ),
        (
            "0 0 29 2 *",
            ["2028-02-29", "2032-02-29", "2036-02-29", "2040-02-29"],
        ),
        (
            "0 0 31 2 mon",
            ["2026-02-02", "2026-02-09", "2026-02-16", "2026-02-23"],
        ),
        (
            "  0   0\t1 1 * ",
            ["2027-01-01", "2028-01-01", "2029-01-01", "2030-01-01"],
        ),
    ] {
        let schedule = schedule(vec![cron(text, "UTC")]);
        let after = if text.contains("*/10") {
            "2025-12-31T23:00:00Z"
        } else {
            "2026-01-01T00:00:00Z"
        };
        let expected: Vec<String> = expected
            .iter()
            .map(|day| format!("{day}T00:00:00Z"))
            .collect();
        assert_eq!(utc(&schedule, after, 4), expected, "{text}");
    }
}

#[test]
fn rare_lines_end_quickly() {
    let schedule = schedule(vec![cron("0 0 29 2 */6", "Europe/Berlin")]);
    assert_eq!(
        utc(&schedule, "2026-01-01T00:00:00Z", 2),
        ["2032-02-28T23:00:00Z", "2048-02-28T23:00:00Z"]
    );
    assert_eq!(schedule.ticks_after(at("2026-01-01T00:00:00Z")).count(), 5);
    assert_eq!(schedule.next_after(Timestamp::MAX_UTC), None);
    assert_eq!(schedule.previous(Timestamp::MIN_UTC), None);
    assert!(schedule.next_after(Timestamp::MIN_UTC).is_some());
    assert!(schedule.previous(Timestamp::MAX_UTC).is_some());
}

#[test]
fn a_pace_is_counted_from_its_anchor() {
    for (seconds, anchor, after, expected) in [
        (
            300,
            "1970-01-01T00:00:00Z",
            "2026-01-01T00:02:00Z",
            ["2026-01-01T00:05:00Z", "2026-01-01T00:10:00Z"],
        ),
        (
            300,
            "1970-01-01T00:00:00Z",
            "2026-01-01T00:05:00Z",
            ["2026-01-01T00:10:00Z", "2026-01-01T00:15:00Z"],
        ),
        (
            5400,
            "2026-01-01T00:10:00Z",
            "2026-01-01T00:10:00Z",
            ["2026-01-01T01:40:00Z", "2026-01-01T03:10:00Z"],
        ),
        (
            5400,
            "2026-01-01T00:10:00Z",
            "2025-12-31T23:59:59.9Z",
            ["2026-01-01T00:10:00Z", "2026-01-01T01:40:00Z"],
        ),
    ] {
        let schedule = schedule(vec![every(seconds, anchor)]);
        assert_eq!(
            utc(&schedule, after, 2),
            expected,
            "{seconds} {anchor} {after}"
        );
    }
}

#[test]
fn limits_and_calendars_leave_ticks_out() {
    let mut clock = cron("@daily", "Europe/Berlin");
    clock.start = Some(at("2026-12-22T23:00:00Z")); // 23 December, 00:00
    clock.end = Some(at("2026-12-28T23:00:00Z")); // 29 December, 00:00
    clock.calendar.exclude = [25, 26]
        .map(|day| chrono::NaiveDate::from_ymd_opt(2026, 12, day).unwrap())
        .into();
    let schedule = schedule(vec![clock]);
    let days = ["24", "27", "28", "29"].map(|day| format!("2026-12-{day}T00:00:00+01:00"));
    assert_eq!(local(&schedule, "2020-01-01T00:00:00Z", 9), days);
    // Nothing is lost: the interval of the first tick after the holidays reaches over them.
    for (tick, start) in [
        ("2026-12-23T23:00:00Z", "2026-12-22T23:00:00Z"),
        ("2026-12-26T23:00:00Z", "2026-12-23T23:00:00Z"),
        ("2026-12-27T23:00:00Z", "2026-12-26T23:00:00Z"),
    ] {
        let interval = schedule.interval_ending(at(tick));
        assert_eq!((interval.start, interval.end), (at(start), at(tick)));
    }
    for (now, end) in [
        ("2026-12-23T22:59:59Z", None),
        ("2026-12-23T23:00:00Z", Some("2026-12-23T23:00:00Z")),
        ("2026-12-25T12:00:00Z", Some("2026-12-23T23:00:00Z")),
        ("2030-01-01T00:00:00Z", Some("2026-12-28T23:00:00Z")),
    ] {
        let interval = schedule.last_complete(at(now));
        assert_eq!(interval.map(|interval| interval.end), end.map(at), "{now}");
    }
}

#[test]
fn intervals_reach_from_tick_to_tick() {
    let workdays = schedule(vec![cron("30 9 * * mon-fri", "Europe/Berlin")]);
    let two = schedule(vec![
        cron("0 6 * * *", "UTC"),
        every(28_800, "1970-01-01T00:00:00Z"),
    ]);
    let mut first = cron("@weekly", "UTC");
    first.start = Some(at("2026-01-07T00:00:00Z"));
    let clipped = schedule(vec![first]);
    let mut single = cron("@daily", "UTC");
    single.calendar.only = [chrono::NaiveDate::from_ymd_opt(2026, 5, 1).unwrap()].into();
    let only = schedule(vec![single]);
    for (schedule, tick, start) in [
        (&workdays, "2026-03-30T07:30:00Z", "2026-03-27T08:30:00Z"),
        (&two, "2026-01-05T08:00:00Z", "2026-01-05T06:00:00Z"),
        (&two, "2026-01-05T06:00:00Z", "2026-01-05T00:00:00Z"),
        (&clipped, "2026-01-11T00:00:00Z", "2026-01-07T00:00:00Z"),
        (&only, "2026-05-01T00:00:00Z", "2026-04-30T00:00:00Z"),
    ] {
        assert_eq!(
            schedule.interval_ending(at(tick)).start,
            at(start),
            "{tick}"
        );
        assert_eq!(
            schedule.next_after(at(tick) - chrono::TimeDelta::nanoseconds(1)),
            Some(at(tick))
        );
    }
    assert_eq!(
        Schedule::Always.last_complete(at("2026-01-01T00:00:00Z")),
        None
    );
}

#[test]
fn delays_are_steady_and_spread() {
    let timetable = |jitter| Timetable {
        clocks: Vec::new(),
        catchup: Catchup::default(),
        overlap: OverlapPolicy::default(),
        jitter: Duration::from_millis(jitter),
    };
    assert_eq!(timetable(0).delay(7), Duration::ZERO);
    let delays: Vec<u128> = (0..1000)
        .map(|seed| timetable(30_000).delay(seed).as_millis())
        .collect();
    assert_eq!(delays[7], timetable(30_000).delay(7).as_millis());
    assert!(delays.iter().all(|delay| *delay <= 30_000));
    for tenth in 0..10 {
        let count = delays
            .iter()
            .filter(|delay| **delay / 3000 == tenth)
            .count();
        assert!((60..140).contains(&count), "{tenth}: {count}");
    }
}

#[test]
fn schedules_are_said_in_words() {
    for (text, words) in [
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("0,15,30,45 * * * *", "every 15 minutes"),
        ("*/7 * * * *", "*/7 * * * * Europe/Berlin"),
        ("*/10 * * * * *", "every 10 seconds"),
        ("@hourly", "every hour"),
        ("15 * * * *", "every hour at :15"),
        ("0 0 * * *", "every day at 00:00 Europe/Berlin"),
        (
            "30 6,18 * * *",
            "every day at 06:30 and 18:30 Europe/Berlin",
        ),
        ("5 30 6 * * *", "every day at 06:30:05 Europe/Berlin"),
        ("30 9 * * 1-5", "Mon–Fri at 09:30 Europe/Berlin"),
        (
            "30 9 * * sat,sun,tue",
            "Tue, Sat and Sun at 09:30 Europe/Berlin",
        ),
        ("0 0 * * 0", "Sun at 00:00 Europe/Berlin"),
        (
            "0 9-17 * * 1-5",
            "Mon–Fri, every hour from 09:00 to 17:00 Europe/Berlin",
        ),
        (
            "*/5 9-17 * * 1-5",
            "Mon–Fri, every 5 minutes from 09:00 to 17:55 Europe/Berlin",
        ),
        ("0 * * * 1", "Mon, every hour at :00 Europe/Berlin"),
        ("0 4 1 * *", "day 1 of every month at 04:00 Europe/Berlin"),
        (
            "0 4 24 12 *",
            "every year on 24 December at 04:00 Europe/Berlin",
        ),
        ("0 0 1,15 * 5", "0 0 1,15 * 5 Europe/Berlin"),
        ("0 */2 * * *", "0 */2 * * * Europe/Berlin"),
    ] {
        assert_eq!(
            schedule(vec![cron(text, "Europe/Berlin")]).describe(),
            words,
            "{text}"
        );
    }
    for (seconds, words) in [
        (1, "every second"),
        (90, "every 90 seconds"),
        (300, "every 5 minutes"),
        (86_400, "every 24 hours"),
        (604_800, "every 7 days"),
    ] {
        assert_eq!(
            schedule(vec![every(seconds, "1970-01-01T00:00:00Z")]).describe(),
            words
        );
    }
}
