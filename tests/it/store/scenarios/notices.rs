//! Promises about what is to be told.

use runner::model::{DagId, Occasion, RunState};
use runner::store::{Admission, Failing, Notice, NoticeLimit};

use super::super::values::{at, id, json, owner, run_is};
use super::shared::{Store, create};

fn notice(run: &str, occasion: Occasion, seconds: i64) -> Notice {
    Notice {
        run: id(run),
        dag: DagId::new("daily").unwrap(),
        occasion,
        at: at(seconds),
        owner: owner("a"),
        tries: 0,
        detail: json("{\"n\":1}"),
    }
}

async fn ends(store: &Store, notice: &Notice) {
    let state = match notice.occasion {
        Occasion::Recovery => RunState::Success,
        _ => RunState::Failed,
    };
    let end = [run_is(notice.run.as_str(), state, 5)];
    let notices = std::slice::from_ref(notice);
    // The second time its answer was lost.
    for _ in 0..2 {
        let committed = store.commit_all(&owner("a"), &end, &[], notices).await;
        committed.unwrap();
    }
}

pub async fn keeps_notices_until_they_are_settled(store: Store) {
    create(&store, &["r1", "r2"]).await;
    let (first, second) = (
        notice("r1", Occasion::Failure, 1),
        notice("r2", Occasion::Deadline, 2),
    );
    ends(&store, &second).await;
    ends(&store, &first).await;
    let wanted = vec![first.clone(), second.clone()];
    assert_eq!(store.notices().await.unwrap(), wanted);

    let refused = store
        .commit_all(
            &owner("b"),
            &[run_is("r1", RunState::Failed, 9)],
            &[],
            &[notice("r1", Occasion::Failure, 9)],
        )
        .await;
    assert!(refused.is_err());
    assert_eq!(store.notices().await.unwrap(), wanted);

    store.try_notice(&first, 3).await.unwrap();
    assert_eq!(store.notices().await.unwrap()[0].tries, 3);

    // Taken twice by the same, and then by nobody else who saw the first owner.
    for (to, taken) in [("b", true), ("b", true), ("c", false)] {
        let answer = store.take_notice(&first, &owner(to)).await.unwrap();
        assert_eq!(answer, taken, "{to}");
    }
    assert_eq!(store.notices().await.unwrap()[0].owner, owner("b"));

    for _ in 0..2 {
        store.settle_notice(&first).await.unwrap();
    }
    assert_eq!(store.notices().await.unwrap(), [second]);
    assert!(!store.take_notice(&first, &owner("b")).await.unwrap());
}

pub async fn knows_which_dags_fail(store: Store) {
    create(&store, &["r1", "r2", "r3", "r4"]).await;
    let dag = DagId::new("daily").unwrap();
    // Nothing to recover from.
    ends(&store, &notice("r1", Occasion::Recovery, 1)).await;
    assert_eq!(store.notices().await.unwrap(), []);

    ends(&store, &notice("r3", Occasion::Failure, 3)).await;
    ends(&store, &notice("r2", Occasion::Failure, 4)).await;
    let failing = Failing {
        run: id("r3"),
        since: at(3),
        failures: 2,
    };
    assert_eq!(store.failing(&dag).await.unwrap(), Some(failing));

    // An older run's success says nothing about the later one.
    ends(&store, &notice("r2", Occasion::Recovery, 5)).await;
    assert_eq!(store.notices().await.unwrap().len(), 2);
    ends(&store, &notice("r4", Occasion::Recovery, 6)).await;
    assert_eq!(store.notices().await.unwrap().len(), 3);
    assert_eq!(store.failing(&dag).await.unwrap(), None);
}

pub async fn holds_notices_back_that_are_too_many(store: Store) {
    let mut runs = Vec::new();
    for number in 0..9 {
        let run = format!("r{number}");
        create(&store, &[run.as_str()]).await;
        runs.push(notice(&run, Occasion::Failure, number));
        ends(&store, &runs[runs.len() - 1]).await;
    }
    let limit = |now: i64| NoticeLimit {
        most: 2,
        begun_by: at(now - 60),
        now: at(now),
    };
    let tell = |held| Admission::Tell { held };
    for (run, now, expected) in [
        (0, 100, tell(0)),
        (1, 110, tell(0)),
        // Asked again, after a crash: it isn't counted twice.
        (1, 111, tell(0)),
        (2, 120, Admission::Held),
        (2, 121, Admission::Gone),
        (3, 159, Admission::Held),
        (4, 160, tell(2)),
        (4, 161, tell(2)),
        (5, 170, tell(0)),
        (6, 219, Admission::Held),
        (7, 400, tell(1)),
    ] {
        let admitted = store.admit_notice(&runs[run], limit(now)).await.unwrap();
        assert_eq!(admitted, expected, "r{run} at {now}");
    }
    let left = store.notices().await.unwrap();
    let left: Vec<&str> = left.iter().map(|notice| notice.run.as_str()).collect();
    assert_eq!(left, ["r0", "r1", "r4", "r5", "r7", "r8"]);
}
