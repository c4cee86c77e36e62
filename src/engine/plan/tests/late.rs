//! Runs that are late.

use super::*;

fn late(seconds: u64, overlap: OverlapPolicy) -> World {
    let plan = DagPlan {
        deadline: Some(Duration::from_secs(seconds)),
        ..plan("d", Some(every(60, Catchup::None, overlap)))
    };
    World::new(0, vec![plan])
}

#[test]
fn a_run_that_is_late_is_told_of_once() {
    let mut world = late(90, Skip);
    world.pass(0, 200);
    world.restart(201);
    world.pass(201, 239);
    assert_eq!(
        world.said,
        [
            "60: d starts 60",
            "120: d skips 1, 120 to 120: a run was going on",
            "150: d is late with 60",
            "180: d skips 1, 180 to 180: a run was going on",
        ]
    );
    world.end_all(239, "d", Success);
    world.pass(239, 331);
    assert_eq!(
        world.said[4..],
        [
            "240: d starts 240",
            "300: d skips 1, 300 to 300: a run was going on",
            "330: d is late with 240",
        ]
    );
}

#[test]
fn a_run_that_is_over_in_time_isnt_late() {
    let mut world = late(30, Skip);
    world.pass(0, 60);
    world.end_all(89, "d", Success);
    world.pass(89, 119);
    assert_eq!(world.said, ["60: d starts 60"]);
}

#[test]
fn an_end_at_the_deadline_is_late() {
    let mut world = late(30, Skip);
    world.pass(0, 60);
    // The loop takes in the end before the timer.
    world.end_all(90, "d", Success);
    assert_eq!(world.said, ["60: d starts 60", "90: d is late with 60"]);
}

#[test]
fn what_waits_is_late_too_even_in_a_pause() {
    let mut world = late(90, Queue);
    world.pass(0, 125);
    let paused = PlanEvent::Paused {
        dag: dag("d"),
        paused: true,
    };
    world.tell(130, vec![paused]);
    world.pass(130, 300);
    assert_eq!(
        world.said,
        [
            "60: d starts 60",
            "150: d is late with 60",
            "210: d hasn't begun 120",
        ]
    );
}
