//! Random operations: a file gives the same answers as plain maps, also when it is opened anew in
//! between, and callers that repeat what failed lose and double nothing.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use runner::model::{Outcome, RunState, TaskIndex, TaskRunId, TaskState, Transition};
use runner::store::{
    CommandKind, Faults, Faulty, MemoryStore, RunFilter, RunStore, SqliteStore, StoreError,
};

use super::values::{
    Stand, at, cause, expanded, failure, id, item, new_run, owner, run_is, success, task, version,
};

const RUNS: [&str; 3] = ["r1", "r2", "r3"];
const OWNERS: [&str; 2] = ["a", "b"];

#[derive(Debug, Clone)]
enum Operation {
    Create(&'static str, i32),
    Commit(&'static str, Vec<Transition>),
    Adopt(&'static str, &'static str, Option<&'static str>),
    Command(&'static str, bool),
    Hear(&'static str),
    /// Ends without goodbye and opens again.
    Reopen,
}

fn task_state() -> impl Strategy<Value = TaskState> {
    let moment = || (0i64..9).prop_map(at);
    let outcome = select(vec![
        Outcome::Success,
        Outcome::Failed(cause()),
        Outcome::Skipped,
        Outcome::UpstreamFailed,
        Outcome::Cancelled,
    ]);
    prop_oneof![
        Just(TaskState::Waiting),
        Just(TaskState::Ready),
        (0u32..4).prop_map(|items| TaskState::Expanded { items }),
        (moment(), proptest::option::of(moment()))
            .prop_map(|(started, deadline)| TaskState::Running { started, deadline }),
        moment().prop_map(|until| TaskState::RetryWait { until }),
        (outcome, moment()).prop_map(|(outcome, at)| TaskState::Finished { outcome, at }),
    ]
}

fn transition() -> impl Strategy<Value = Transition> {
    let run = || select(&RUNS[..]);
    let states = select(vec![
        RunState::Running,
        RunState::Cancelling,
        RunState::Success,
        RunState::Failed,
    ]);
    let task_run = (0u32..2, proptest::option::of(0u32..3))
        .prop_map(|(number, part)| part.map_or_else(|| task(number), |part| item(number, part)));
    let items = vec(select(&["1", r#""a""#, r#"{"k":[1.50]}"#][..]), 0..4);
    prop_oneof![
        1 => (run(), states, 0i64..99).prop_map(|(run, state, at)| run_is(run, state, at)),
        1 => (run(), 0u32..2, 0u32..2, items)
            .prop_map(|(run, task, generation, items)| expanded(run, task, generation, &items)),
        4 => (run(), task_run, task_state(), 0u32..2, 0u32..4, 0i64..9, 0u8..3).prop_map(
            |(run, task_run, state, generation, number, seconds, ended)| {
                let stand = Stand::new(task_run, state).attempts(number).generation(generation);
                match ended {
                    0 => stand.of(run),
                    1 => stand.ending(run, seconds, seconds + 1, failure()),
                    _ => stand.ending(run, seconds, seconds + 2, success("[2]")),
                }
            }
        ),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let run = || select(&RUNS[..]);
    let owner = || select(&OWNERS[..]);
    prop_oneof![
        3 => (run(), 0i32..2).prop_map(|(run, priority)| Operation::Create(run, priority)),
        9 => (owner(), vec(transition(), 1..6))
            .prop_map(|(owner, batch)| Operation::Commit(owner, batch)),
        1 => (owner(), owner(), proptest::option::of(run()))
            .prop_map(|(from, to, run)| Operation::Adopt(from, to, run)),
        1 => (run(), any::<bool>()).prop_map(|(run, cancel)| Operation::Command(run, cancel)),
        1 => owner().prop_map(Operation::Hear),
        1 => Just(Operation::Reopen),
    ]
}

/// What a store answers, as text that can be compared.
async fn answer(store: &dyn RunStore, operation: &Operation) -> Result<String, StoreError> {
    Ok(match operation {
        Operation::Create(run, priority) => {
            let mut new = new_run(run);
            new.spec.priority = *priority;
            format!("{:?}", store.begin(&[], &[new]).await?)
        }
        Operation::Commit(who, batch) => format!("{:?}", store.commit(&owner(who), batch).await?),
        Operation::Adopt(from, to, run) => {
            let run = run.map(id);
            let taken = store.adopt(&owner(from), &owner(to), run.as_ref()).await?;
            format!("{taken:#?}")
        }
        Operation::Command(run, cancel) => {
            let kind = if *cancel {
                CommandKind::Cancel
            } else {
                CommandKind::Retry { tasks: Vec::new() }
            };
            format!("{:?}", store.put_command(&id(run), &kind, at(0)).await?)
        }
        Operation::Hear(who) => {
            let heard = store.commands(&owner(who)).await?;
            store.commit_heard(&owner(who), &[], &heard).await?;
            format!("{heard:?}")
        }
        Operation::Reopen => String::new(),
    })
}

/// All that can be read of a store, as text.
async fn everything(store: &dyn RunStore) -> Result<String, StoreError> {
    let mut text = format!("{:#?}", store.runs(&RunFilter::default()).await?);
    text += &format!("{:#?}", store.owners().await?);
    for run in RUNS.map(id) {
        text += &format!("{:#?}", store.load(&run).await?);
        text += &format!("{:#?}", store.task_runs(&run).await?);
        text += &format!("{:#?}", store.attempts(&run, None).await?);
        for task in [0, 1].map(TaskIndex) {
            text += &format!("{:#?}", store.attempts(&run, Some(task)).await?);
            text += &format!("{:#?}", store.results(&run, task).await?);
            text += &format!("{:#?}", store.items(&run, task).await?);
        }
    }
    Ok(text)
}

async fn check_same(operations: &[Operation]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let memory = MemoryStore::new();
    let mut sqlite = SqliteStore::open(&file).await.unwrap();
    for store in [&memory as &dyn RunStore, &sqlite] {
        store.begin(&[version()], &[]).await.unwrap();
    }
    for operation in operations {
        if let Operation::Reopen = operation {
            drop(sqlite);
            sqlite = SqliteStore::open(&file).await.unwrap();
        }
        let expected = answer(&memory, operation).await;
        let given = answer(&sqlite, operation).await;
        assert_eq!(kind(&given), kind(&expected), "{operation:#?}");
    }
    assert_eq!(everything(&sqlite).await, everything(&memory).await);
    sqlite.close().await;
}

/// An answer without the run that a fence is about: a batch may break several.
fn kind(answer: &Result<String, StoreError>) -> Result<&str, String> {
    match answer {
        Ok(text) => Ok(text),
        Err(StoreError::Fenced { .. }) => Err("fenced".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Repeats what fails, as a caller does.
async fn persist(store: &dyn RunStore, operation: &Operation) -> Result<String, StoreError> {
    loop {
        match answer(store, operation).await {
            Err(StoreError::Unavailable { .. }) => {}
            answer => return answer,
        }
    }
}

async fn check_repeated(operations: &[Operation], seed: u64) {
    let plain = MemoryStore::new();
    let faults = Faults {
        seed,
        refused: 200,
        unanswered: 300,
    };
    let shaky = Faulty::new(MemoryStore::new(), faults);
    plain.begin(&[version()], &[]).await.unwrap();
    shaky.inner().begin(&[version()], &[]).await.unwrap();
    for operation in operations {
        // What these two give is taken by the call, answered or not.
        if matches!(operation, Operation::Adopt(..) | Operation::Hear(_)) {
            continue;
        }
        let expected = answer(&plain, operation).await;
        let given = persist(&shaky, operation).await;
        assert_eq!(given, expected, "{operation:#?}");
    }
    let read = everything(shaky.inner()).await;
    assert_eq!(read, everything(&plain).await);
}

fn block_on(work: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_file_answers_like_plain_maps(operations in vec(operation(), 1..40)) {
        block_on(check_same(&operations));
    }

    #[test]
    fn what_failed_can_be_repeated(operations in vec(operation(), 1..40), seed: u64) {
        block_on(check_repeated(&operations, seed));
    }
}

#[test]
fn faults_come_as_often_as_asked_and_repeat_with_their_seed() {
    let failures = |seed| {
        let faults = Faults {
            seed,
            refused: 100,
            unanswered: 200,
        };
        let store = Faulty::new(MemoryStore::new(), faults);
        let mut failures = Vec::new();
        block_on(async {
            for _ in 0..1000 {
                failures.push(store.owners().await.is_err());
            }
        });
        failures
    };
    let count = failures(1).iter().filter(|failed| **failed).count();
    assert!((250..350).contains(&count), "{count}");
    assert_eq!(failures(1), failures(1));
    assert_ne!(failures(1), failures(2));
}

#[test]
fn an_unanswered_commit_has_happened() {
    block_on(async {
        let faults = Faults {
            seed: 0,
            refused: 0,
            unanswered: 1000,
        };
        let store = Faulty::new(MemoryStore::new(), faults);
        store.inner().begin(&[version()], &[]).await.unwrap();
        store.begin(&[], &[new_run("r1")]).await.unwrap_err();
        let batch = [Stand::new(task(0), TaskState::Ready).of("r1")];
        store.commit(&owner("a"), &batch).await.unwrap_err();
        let run = store.inner().load(&id("r1")).await.unwrap().unwrap();
        let ready = TaskRunId {
            task: TaskIndex(0),
            item: None,
        };
        assert_eq!(run.tasks[0].id, ready);
    });
}
