//! Random happenings, crashes among them: every tick is decided once.

use super::*;

#[derive(Debug, Clone)]
enum Happening {
    Pass(i64),
    Down(i64),
    StepBack(i64),
    End(RunState),
    Pause(bool),
    /// The process is killed before its decisions are durable.
    Crash(i64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (1..200_i64).prop_map(Happening::Pass),
        1 => (1..2000_i64).prop_map(Happening::Down),
        1 => (1..100_i64).prop_map(Happening::StepBack),
        4 => prop_oneof![Just(Success), Just(Failed)].prop_map(Happening::End),
        1 => any::<bool>().prop_map(Happening::Pause),
        2 => (1..200_i64).prop_map(Happening::Crash),
    ]
}

fn policies() -> impl Strategy<Value = (Catchup, OverlapPolicy, Option<u32>, bool)> {
    (
        prop_oneof![
            Just(Catchup::None),
            Just(Catchup::Latest),
            Just(Catchup::All { limit: None }),
            Just(Catchup::All { limit: Some(3) }),
        ],
        prop_oneof![Just(Skip), Just(Queue), Just(Allow), Just(CancelRunning)],
        prop_oneof![Just(None), Just(Some(1)), Just(Some(3))],
        any::<bool>(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever happens: each tick up to the moment that is remembered has been started once,
    /// skipped once, or waits.
    #[test]
    fn every_tick_is_decided_once(
        (catchup, overlap, max_runs, depends_on_past) in policies(),
        happenings in prop::collection::vec(happening(), 1..40),
    ) {
        let plan = DagPlan {
            max_runs,
            depends_on_past,
            ..plan("d", Some(every(60, catchup, overlap)))
        };
        let mut world = World::new(0, vec![plan]);
        let mut now = 0;
        for happening in happenings {
            match happening {
                Happening::Pass(seconds) => {
                    world.pass(now, now + seconds);
                    now += seconds;
                }
                Happening::Down(seconds) => {
                    now += seconds;
                    world.restart(now);
                }
                Happening::StepBack(seconds) => {
                    now = (now - seconds).max(0);
                    world.tell(now, vec![PlanEvent::Wakeup]);
                }
                Happening::End(state) => world.end_all(now, "d", state),
                Happening::Pause(paused) => {
                    world.tell(now, vec![PlanEvent::Paused { dag: dag("d"), paused }]);
                }
                Happening::Crash(seconds) => {
                    now += seconds;
                    // The decisions are lost with the process.
                    let _ = world.planner.handle(at(now), vec![PlanEvent::Wakeup]);
                    world.restart(now);
                }
            }
            let memory = &world.memories.get(&dag("d")).cloned().unwrap_or_default();
            let Some(decided) = memory.decided else { continue };
            let decided = (decided - at(0)).num_seconds();
            let waiting = memory.waiting.iter().map(|one| (one.tick - at(0)).num_seconds());
            let mut ticks: Vec<i64> = world.started.iter().copied().chain(waiting).collect();
            for (first, last, count) in &world.skipped {
                prop_assert_eq!(u64::try_from((last - first) / 60 + 1).unwrap(), *count);
                ticks.extend((*first..=*last).step_by(60));
            }
            ticks.sort_unstable();
            let expected: Vec<i64> = (60..=decided).step_by(60).collect();
            prop_assert_eq!(ticks, expected);
            let most = max_runs.unwrap_or(if overlap == Allow { u32::MAX } else { 1 });
            prop_assert!(world.running.len() <= most as usize);
        }
    }
}
