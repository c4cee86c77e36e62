//! The simulation, over cases drawn by chance. A failing case is kept in `proptest-regressions/`.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::plan::{Case, cases, settled_cases};
use super::world::World;

proptest! {
    #![proptest_config(times(4))]

    /// Whatever happens, every invariant holds at every step, and every run ends.
    #[test]
    fn invariants_hold_whatever_happens(case in cases()) {
        World::new(&case).run();
    }
}

proptest! {
    #![proptest_config(times(2))]

    /// A run that is interrupted again and again ends as the one that never was.
    #[test]
    fn crashes_change_no_outcome(case in settled_cases()) {
        let mut crashing = case.clone();
        crashing.chaos.crash = 10;
        prop_assert_eq!(outcomes(&crashing), outcomes(&case));
    }
}

/// More cases than usual: `PROPTEST_CASES` (256) times `factor`.
fn times(factor: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases * factor,
        ..usual
    }
}

fn outcomes(case: &Case) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut world = World::new(case);
    world.run();
    world.outcomes()
}

/// The simulation is worth something only if it gets everywhere: every arrow of the diagram, every
/// end, every reason to wait.
#[test]
fn the_simulation_reaches_everything() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..800 {
        let case = cases().new_tree(&mut runner).unwrap().current();
        let mut world = World::new(&case);
        world.run();
        seen.append(&mut world.seen);
    }
    let missing: Vec<&str> = EVERYTHING
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !seen.contains(*line))
        .collect();
    assert!(missing.is_empty(), "never seen: {missing:#?}");
}

const EVERYTHING: &str = "
    abort Cancelled
    abort TimedOut
    item cancelled ▶ ready
    item failed Retryable ▶ running
    item ready ▶ cancelled
    item ready ▶ running
    item retry_wait ▶ cancelled
    item retry_wait ▶ ready
    item retry_wait ▶ running
    item running ▶ cancelled
    item running ▶ failed Lost
    item running ▶ failed Permanent
    item running ▶ failed Retryable
    item running ▶ failed TimedOut
    item running ▶ ready
    item running ▶ retry_wait
    item running ▶ skipped
    item running ▶ success
    noise, r0 is here: false
    noise, r0 is here: true
    run cancelled ▶ running
    run cancelling ▶ cancelled
    run failed ▶ running
    run failed ▶ success
    run queued ▶ cancelling
    run queued ▶ failed
    run queued ▶ running
    run queued ▶ success
    run running ▶ cancelled
    run running ▶ cancelling
    run running ▶ failed
    run running ▶ success
    run success ▶ failed
    run success ▶ running
    task cancelled ▶ expanded
    task cancelled ▶ waiting
    task expanded ▶ cancelled
    task expanded ▶ failed Retryable
    task expanded ▶ skipped
    task expanded ▶ success
    task failed Retryable ▶ expanded
    task failed Retryable ▶ success
    task failed Retryable ▶ waiting
    task ready ▶ cancelled
    task ready ▶ running
    task ready ▶ success
    task ready ▶ waiting
    task retry_wait ▶ cancelled
    task retry_wait ▶ ready
    task retry_wait ▶ running
    task retry_wait ▶ success
    task retry_wait ▶ waiting
    task running ▶ cancelled
    task running ▶ failed Lost
    task running ▶ failed Permanent
    task running ▶ failed Retryable
    task running ▶ failed TimedOut
    task running ▶ ready
    task running ▶ retry_wait
    task running ▶ skipped
    task running ▶ success
    task skipped ▶ waiting
    task success ▶ waiting
    task upstream_failed ▶ waiting
    task waiting ▶ cancelled
    task waiting ▶ failed Permanent
    task waiting ▶ ready
    task waiting ▶ running
    task waiting ▶ skipped
    task waiting ▶ success
    task waiting ▶ upstream_failed
    why Concurrency
    why Items
    why Limit
    why Needs
    why Pool
    why Preparing
    why RunLimit
    why Until
";
