use chrono::{DateTime, SecondsFormat};

use super::{read_schedule, schedule_schema};
use crate::document::{Diagnostic, Report, SourceId};
use crate::model::{Catchup, OverlapPolicy, Schedule, Timestamp};
use crate::spec::read_yaml;

fn read(text: &str) -> (Option<Schedule>, Vec<Diagnostic>) {
    let mut report = Report::default();
    let document = read_yaml(SourceId(0), text, &mut report).unwrap();
    let schedule = read_schedule(document.get("schedule").unwrap(), None, &mut report);
    (schedule, report.into_diagnostics())
}

fn good(text: &str) -> Schedule {
    let (schedule, found) = read(&format!("schedule: {text}\n"));
    assert!(found.is_empty(), "{text}: {found:#?}");
    schedule.unwrap()
}

fn at(text: &str) -> Timestamp {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn show(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[test]
fn every_form_is_read_and_matches_the_schema() {
    let schema = schedule_schema().to_value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let after = at("2026-03-04T10:02:00Z"); // a Wednesday
    for (text, words, next) in [
        ("\"*/5 * * * *\"", "every 5 minutes", "2026-03-04T10:05:00Z"),
        ("'@daily'", "every day at 00:00 UTC", "2026-03-05T00:00:00Z"),
        ("\"@HOURLY\"", "every hour", "2026-03-04T11:00:00Z"),
        ("\"@weekly\"", "Sun at 00:00 UTC", "2026-03-08T00:00:00Z"),
        (
            "\"@monthly\"",
            "day 1 of every month at 00:00 UTC",
            "2026-04-01T00:00:00Z",
        ),
        (
            "\"@yearly\"",
            "every year on 1 January at 00:00 UTC",
            "2027-01-01T00:00:00Z",
        ),
        (
            "30 9 * * mon-fri",
            "Mon–Fri at 09:30 UTC",
            "2026-03-05T09:30:00Z",
        ),
        (
            "\"*/10 * * * * *\"",
            "every 10 seconds",
            "2026-03-04T10:02:10Z",
        ),
        ("{ every: 5m }", "every 5 minutes", "2026-03-04T10:05:00Z"),
        (
            "{ every: 90m, start: 2026-03-04 }",
            "every 90 minutes",
            "2026-03-04T10:30:00Z",
        ),
        (
            "{ cron: 30 9 * * mon-fri, timezone: Europe/Berlin }",
            "Mon–Fri at 09:30 Europe/Berlin",
            "2026-03-05T08:30:00Z",
        ),
        (
            "{ cron: [0 9 * * *, 30 17 * * 5-7], timezone: Asia/Tokyo }",
            "every day at 09:00 Asia/Tokyo; Fri–Sun at 17:30 Asia/Tokyo",
            "2026-03-05T00:00:00Z",
        ),
        (
            "{ cron: \"@daily\", start: 2026-06-01, end: 2026-06-30 }",
            "every day at 00:00 UTC",
            "2026-06-02T00:00:00Z",
        ),
        (
            "{ cron: \"@daily\", exclude: [2026-03-05, 2026-03-06], only: [2026-03-05, 2026-03-06, 2026-03-09] }",
            "every day at 00:00 UTC",
            "2026-03-09T00:00:00Z",
        ),
        (
            "[ \"0 12 * * *\", { every: 4h, jitter: 30s }, { cron: 15 10 * * *, timezone: UTC } ]",
            "every day at 12:00 UTC; every 4 hours; every day at 10:15 UTC",
            "2026-03-04T10:15:00Z",
        ),
    ] {
        let schedule = good(text);
        assert_eq!(schedule.describe(), words, "{text}");
        assert_eq!(
            schedule.next_after(after).map(show).unwrap(),
            next,
            "{text}"
        );
        let mut report = Report::default();
        let node = read_yaml(SourceId(0), &format!("schedule: {text}"), &mut report).unwrap();
        let json = node.get("schedule").unwrap().to_json();
        assert!(validator.is_valid(&json), "{text}");
    }
    assert_eq!(good("always"), Schedule::Always);
}

#[test]
fn policies_and_limits_are_read() {
    let read = |text: &str| match good(text) {
        Schedule::Ticks(timetable) => timetable,
        Schedule::Always => panic!("{text}"),
    };
    let plain = read("\"@daily\"");
    assert_eq!(plain.catchup, Catchup::None);
    assert_eq!(plain.overlap, OverlapPolicy::Skip);
    assert!(plain.jitter.is_zero());

    let full = read(
        "{ cron: \"@daily\", timezone: Europe/Berlin, start: 2026-01-01, end: 2026-12-31, catchup: { all: 30 }, overlap: cancel_running, jitter: 30s }",
    );
    assert_eq!(full.catchup, Catchup::All { limit: Some(30) });
    assert_eq!(full.overlap, OverlapPolicy::CancelRunning);
    assert_eq!(full.jitter.as_secs(), 30);
    assert_eq!(
        full.clocks[0].start.map(show).unwrap(),
        "2025-12-31T23:00:00Z"
    );
    // A date as the end counts to its end.
    assert_eq!(
        full.clocks[0].end.map(show).unwrap(),
        "2026-12-31T23:00:00Z"
    );

    for (text, start) in [
        ("2026-07-01T09:30", "2026-07-01T07:30:00Z"),
        ("2026-07-01 09:30:15", "2026-07-01T07:30:15Z"),
        ("2026-07-01T09:30:00Z", "2026-07-01T09:30:00Z"),
        ("2026-07-01T09:30:00-05:00", "2026-07-01T14:30:00Z"),
        // In the gap: its end. In the overlap: the first one.
        ("2026-03-29T02:30", "2026-03-29T01:00:00Z"),
        ("2026-10-25T02:30", "2026-10-25T00:30:00Z"),
    ] {
        let timetable = read(&format!(
            "{{ cron: \"@daily\", timezone: Europe/Berlin, start: {text} }}"
        ));
        assert_eq!(
            timetable.clocks[0].start.map(show).unwrap(),
            start,
            "{text}"
        );
    }
    for (text, catchup) in [
        ("none", Catchup::None),
        ("latest", Catchup::Latest),
        ("all", Catchup::All { limit: None }),
    ] {
        assert_eq!(
            read(&format!("{{ every: 1h, catchup: {text} }}")).catchup,
            catchup
        );
    }
    let agreed = read("[{ every: 1h, overlap: queue }, { cron: 5 4 * * *, overlap: queue }]");
    assert_eq!(agreed.overlap, OverlapPolicy::Queue);
}

/// Each mistake with what its carets cover.
#[test]
fn mistakes_are_explained_at_their_place() {
    let mut shown = String::new();
    for text in [
        // Cron lines.
        "\"61 * * * *\"",
        "61 24 0 13 8",
        "'0 24 * * *'",
        "\"0 0 * jna *\"",
        "\"0 0 * * monday\"",
        "\"0 mon * * *\"",
        "\"0 0 1 1 * 2026 7\"",
        "\"0 0 * *\"",
        "\"*/0 * * * *\"",
        "\"*/90 * * * *\"",
        "\"*/ * * * *\"",
        "\"5/15 * * * *\"",
        "\"0 17-9 * * *\"",
        "\"0 0 * * fri-mon\"",
        "\"0 9- * * *\"",
        "\"0 9,,10 * * *\"",
        "\"-5 * * * *\"",
        "\"1.5 * * * *\"",
        "\"0 0 ? * *\"",
        "\"0 0 L * *\"",
        "\"0 0 15W * *\"",
        "\"0 0 * * 1#2\"",
        "\"H * * * *\"",
        "\"0~30 * * * *\"",
        "\"0 0 30 2 *\"",
        "\"0 0 31 4,6,9,11 *\"",
        "\"@dayly\"",
        "\"@reboot\"",
        "\"@every 5m\"",
        "\"@daily 5\"",
        "\"\"",
        "5m",
        "every 5m",
        "none",
        "daily",
        "\"\\x36\\x31 * * * *\"",
        // Maps and lists.
        "5",
        "[]",
        "{ }",
        "{ crn: \"@daily\" }",
        "{ every: 500ms }",
        "{ every: 5 }",
        "{ cron: \"@daily\", every: 5m }",
        "{ cron: [\"60 * * * *\", \"* 99 * * *\"], timezone: Europe/Berlim }",
        "{ cron: \"@daily\", timezone: berlin }",
        "{ cron: \"@daily\", timezone: europe/berlin }",
        "{ cron: \"@daily\", timezone: PST }",
        "{ cron: \"@daily\", start: 2026-02-01, end: 2026-01-01 }",
        "{ cron: \"@daily\", start: 2026-02-30 }",
        "{ cron: \"@daily\", start: 1926-02-03, exclude: [2026-13-01] }",
        "{ cron: \"@daily\", catchup: last, overlap: cancel }",
        "{ cron: \"@daily\", catchup: { all: 0 } }",
        "{ cron: 0 0 1 1 *, start: 2026-02-01, end: 2026-03-01 }",
        "{ cron: 0 0 * * 1, only: 2026-03-04 }",
        "[\"@daily\", always]",
        "[{ every: 1h, overlap: queue }, { every: 7h, overlap: skip }]",
    ] {
        let document = format!("schedule: {text}\n");
        let (_, found) = read(&document);
        assert!(!found.is_empty(), "{text}");
        shown.push_str(&format!("{text}\n"));
        for diagnostic in found {
            let covered = &document[diagnostic.primary.span.range()];
            shown.push_str(&format!("  {covered} ← {}", diagnostic.message));
            for extra in [
                &diagnostic.primary.text,
                diagnostic.help.as_deref().unwrap_or(""),
            ] {
                if !extra.is_empty() {
                    shown.push_str(&format!(" | {extra}"));
                }
            }
            shown.push('\n');
        }
    }
    insta::assert_snapshot!(shown);
}
