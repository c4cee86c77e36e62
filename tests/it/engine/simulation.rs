//! The simulation, over cases drawn by chance. A failing case is kept in `proptest-regressions/`.

use proptest::prelude::*;

use super::plan::{Case, cases, settled_cases};
use super::world::World;

proptest! {
    #![proptest_config(times(6))]

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
