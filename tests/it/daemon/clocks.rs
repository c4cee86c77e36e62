//! The clock is set, and the machine sleeps, while the daemon waits for a tick.

use std::sync::Arc;

use chrono::TimeDelta;
use runner::daemon::schedule::Until;
use runner::daemon::{Alarm, Control, Hand};
use runner::engine::plan::SkipReason;
use runner::model::Timestamp;
use runner::store::{MemoryStore, RunStore};

use super::downtime::{Hands, found, scheduler};
use crate::support::eventually::{eventually, so};
use crate::support::project::scene;

/// Turns the hands and rings, as the kernel does when the clock was set or the machine wakes; gives
/// the moment that is waited for then.
async fn step(hands: &Hands, hand: &mut Hand, by: TimeDelta) -> String {
    hands.turn(by);
    at(hand.ring().await)
}

fn at(moment: Option<Timestamp>) -> String {
    moment.map_or_else(String::new, |at| at.format("%d %H:%M").to_string())
}

async fn ran(store: &Arc<dyn RunStore>, awaited: &[&str]) {
    eventually(async || {
        let found = found_of(store).await;
        so(found == awaited, || format!("{found:?}"))
    })
    .await;
}

async fn found_of(store: &Arc<dyn RunStore>) -> Vec<String> {
    found(store, "minutely").await.ran
}

#[tokio::test]
async fn steps_of_the_clock_and_sleep() {
    let yaml = "dag: minutely\nschedule: { cron: '* * * * *', overlap: allow }\ntasks: { a: {} }\n";
    let scene = scene(&[("runner.yaml", "{}\n"), ("pipelines/minutely.yaml", yaml)]);
    let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
    let hands = Hands::at("2026-03-01T12:00:30Z");
    let (alarm, mut hand) = Alarm::by_hand();
    let (scheduler, control) = scheduler(&scene, &store, &hands, Some(alarm), Until::Told);
    let daemon = async {
        let ended = scheduler.run().await;
        ended.unwrap();
    };
    let clock = async {
        assert_eq!(at(hand.is_set().await), "01 12:01");
        // It rings although nothing has come: as long as the clock says so, nothing happens.
        assert_eq!(
            step(&hands, &mut hand, TimeDelta::seconds(10)).await,
            "01 12:01"
        );
        assert!(found_of(&store).await.is_empty());
        step(&hands, &mut hand, TimeDelta::seconds(20)).await;
        ran(&store, &["01 12:01"]).await;
        // An hour forward, or as long asleep: what is late by no more than a minute is only late.
        step(&hands, &mut hand, TimeDelta::hours(1)).await;
        ran(&store, &["01 12:01", "01 13:00", "01 13:01"]).await;
        let skipped = found(&store, "minutely").await.skipped;
        assert_eq!(skipped, [(58, SkipReason::Missed)]);
        // Back, over a tick: it isn't made again, and the next one waits for its time.
        assert_eq!(
            step(&hands, &mut hand, TimeDelta::minutes(-30)).await,
            "01 13:02"
        );
        assert_eq!(
            step(&hands, &mut hand, TimeDelta::minutes(1)).await,
            "01 13:02"
        );
        step(&hands, &mut hand, TimeDelta::minutes(30)).await;
        ran(&store, &["01 12:01", "01 13:00", "01 13:01", "01 13:02"]).await;
        assert_eq!(found(&store, "minutely").await.skipped, skipped);
        // Three days.
        step(&hands, &mut hand, TimeDelta::days(3)).await;
        let last = [
            "01 12:01", "01 13:00", "01 13:01", "01 13:02", "04 13:01", "04 13:02",
        ];
        ran(&store, &last).await;
        let skipped: u64 = found(&store, "minutely")
            .await
            .skipped
            .iter()
            .map(|one| one.0)
            .sum();
        assert_eq!(skipped, 58 + 3 * 24 * 60 - 2);
        control.send(Control::Drain).unwrap();
    };
    tokio::join!(daemon, clock);
}
