//! What happens outside, and the runs that it starts.

use super::*;
use crate::engine::plan::{Firing, Key};
use crate::model::Json;

fn keyed(keys: Vec<Key>) -> PlanEvent {
    PlanEvent::Fired {
        dag: dag("d"),
        keys,
        firing: Firing {
            source: "something".to_owned(),
            detail: Json::null(),
            params: Json::null(),
        },
    }
}

fn thing(name: &str, stamp: &str) -> Key {
    Key::Thing {
        name: name.to_owned(),
        stamp: stamp.to_owned(),
    }
}

#[test]
fn a_thing_is_known_as_long_as_it_is_there_however_many_others_come() {
    let mut world = World::new(
        0,
        vec![DagPlan {
            overlap: Allow,
            ..plan("d", None)
        }],
    );
    let others = |part: i32| {
        let other = move |at| keyed(vec![thing(&format!("other {part} {at}"), "1")]);
        (0..500).map(other)
    };
    world.tell(1, vec![keyed(vec![thing("stays", "1")])]);
    for part in 0..20 {
        world.tell(2, others(part).collect());
        world.end_all(3, "d", Success);
    }
    assert_eq!(world.started.len(), 10_001);
    world.restart(4);
    for part in 0..20 {
        world.tell(
            5,
            others(part)
                .chain([keyed(vec![thing("stays", "1")])])
                .collect(),
        );
    }
    assert_eq!(world.started.len(), 10_001);
    // It has changed; it is gone and comes back.
    world.tell(6, vec![keyed(vec![thing("stays", "2")])]);
    let names = vec!["stays".to_owned(), "never there".to_owned()];
    let gone = PlanEvent::Vanished {
        dag: dag("d"),
        names,
    };
    world.tell(7, vec![gone]);
    assert_eq!(world.planner.things(&dag("d")).count(), 10_000);
    world.restart(8);
    world.tell(9, vec![keyed(vec![thing("stays", "2")])]);
    assert_eq!(world.started[10_001..], [6, 9]);
}

#[test]
fn several_things_start_one_run_unless_all_are_known() {
    let mut world = World::new(
        0,
        vec![DagPlan {
            overlap: Allow,
            ..plan("d", None)
        }],
    );
    world.tell(1, vec![keyed(vec![thing("a", "1"), thing("b", "1")])]);
    world.tell(2, vec![keyed(vec![thing("b", "1"), thing("c", "1")])]);
    world.tell(3, vec![keyed(vec![thing("c", "1"), thing("a", "1")])]);
    assert_eq!(world.started, [1, 2]);
}

#[test]
fn messages_start_runs_in_the_order_of_their_stream() {
    let message = |stream: &str, number: i64| {
        let stream = stream.to_owned();
        keyed(vec![Key::Place { stream, number }])
    };
    let stands = |next| PlanEvent::Stands {
        dag: dag("d"),
        stream: "a".to_owned(),
        next,
    };
    let mut world = World::new(
        0,
        vec![DagPlan {
            overlap: Allow,
            ..plan("d", None)
        }],
    );
    world.tell(1, vec![stands(5)]);
    world.restart(2);
    assert_eq!(
        world.planner.places(&dag("d")),
        [("a".to_owned(), 5)].into()
    );
    world.tell(3, vec![message("a", 4), message("a", 7), message("b", 4)]);
    world.restart(4);
    // Where it stands by now isn't where somebody else began.
    world.tell(
        5,
        vec![stands(0), message("a", 6), message("a", 7), message("a", 8)],
    );
    let places = [("a".to_owned(), 9), ("b".to_owned(), 5)];
    assert_eq!(world.planner.places(&dag("d")), places.into());
    assert_eq!(world.started, [3, 3, 5]);
}

#[test]
fn a_call_is_answered_each_time_and_starts_one_run() {
    let call = |id: &str| keyed(vec![Key::Call(id.to_owned())]);
    let mut world = World::new(0, vec![plan("d", None)]);
    world.tell(1, vec![call("x")]);
    world.end_all(2, "d", Success);
    world.restart(3);
    world.tell(4, vec![call("x")]);
    assert_eq!(
        world.said,
        ["1: d answers x", "1: d starts 1", "4: d answers x"]
    );
    // Of a thousand others it is forgotten.
    world.tell(5, (0..1_000).map(|at| call(&at.to_string())).collect());
    assert!(
        !world
            .planner
            .has_fired(&dag("d"), &Key::Call("x".to_owned()))
    );
    assert!(
        world
            .planner
            .has_fired(&dag("d"), &Key::Call("0".to_owned()))
    );
}

#[test]
fn what_has_no_room_is_left_outside() {
    let planned = |overlap, max_runs| DagPlan {
        overlap,
        max_runs,
        ..plan("d", None)
    };
    for (plan, takes) in [
        (planned(Queue, None), [1, 0, 0]),
        (planned(Queue, Some(2)), [2, 1, 0]),
        (planned(Allow, Some(2)), [2, 1, 0]),
        (planned(Allow, None), [100, 100, 100]),
        (planned(Skip, None), [100, 100, 100]),
        (planned(CancelRunning, None), [100, 100, 100]),
        (plan("d", Some(Schedule::Always)), [0, 0, 0]),
    ] {
        let mut world = World::new(0, vec![plan]);
        let mut found = Vec::new();
        for name in ["a", "b", "c"] {
            found.push(world.planner.takes(&dag("d")));
            world.tell(1, vec![keyed(vec![thing(name, "1")])]);
        }
        assert_eq!(found, takes, "{:?}", world.planner.plan(&dag("d")));
        let paused = PlanEvent::Paused {
            dag: dag("d"),
            paused: true,
        };
        world.tell(2, vec![paused]);
        assert_eq!(world.planner.takes(&dag("d")), 0);
    }
    let careful = DagPlan {
        depends_on_past: true,
        ..planned(Queue, None)
    };
    let mut world = World::new(0, vec![careful]);
    world.tell(1, vec![keyed(vec![thing("a", "1")])]);
    world.end_all(2, "d", Failed);
    assert_eq!(world.planner.takes(&dag("d")), 0);
}

#[test]
fn each_of_many_at_one_moment_has_a_time_of_its_own() {
    let mut world = World::new(
        0,
        vec![DagPlan {
            overlap: Skip,
            ..plan("d", None)
        }],
    );
    let names = ["a", "b", "c"].map(|name| keyed(vec![thing(name, "1")]));
    world.tell(1, names.into());
    let ticks: BTreeSet<Timestamp> = world.running.values().map(|(_, run)| run.tick).collect();
    assert_eq!(ticks.len(), 1);
    // The others were skipped, each with its own record.
    assert_eq!(world.skipped.len(), 2);
    let open = DagPlan {
        overlap: Allow,
        ..plan("d", None)
    };
    let mut world = World::new(0, vec![open]);
    let names = ["a", "b", "c"].map(|name| keyed(vec![thing(name, "1")]));
    world.tell(1, names.into());
    let ticks: BTreeSet<Timestamp> = world.running.values().map(|(_, run)| run.tick).collect();
    assert_eq!(ticks.len(), 3);
}

#[test]
fn a_trouble_lasts_until_it_is_over_or_its_trigger_is_gone() {
    let waiting = |triggers: &[&str]| DagPlan {
        triggers: triggers.iter().map(|words| (*words).to_owned()).collect(),
        ..plan("d", None)
    };
    let trouble = |trigger: &str, message: Option<&str>| PlanEvent::Trouble {
        dag: dag("d"),
        trigger: trigger.to_owned(),
        message: message.map(str::to_owned),
    };
    let told = |world: &World| {
        let of = dag("d");
        let troubles = world.planner.troubles(&of);
        let text = |(trigger, trouble): (&str, &crate::engine::plan::Trouble)| {
            let since = (trouble.since - at(0)).num_seconds();
            format!("{trigger} since {since}: {}", trouble.message)
        };
        troubles.map(text).collect::<Vec<_>>()
    };
    let mut world = World::new(0, vec![waiting(&["file a", "file b"])]);
    world.tell(1, vec![trouble("file a", Some("no folder"))]);
    world.tell(2, vec![trouble("file b", Some("no folder"))]);
    world.tell(3, vec![trouble("file a", Some("no rights"))]);
    world.restart(4);
    assert_eq!(
        told(&world),
        ["file a since 1: no rights", "file b since 2: no folder"]
    );
    world.tell(5, vec![trouble("file a", None)]);
    assert_eq!(told(&world), ["file b since 2: no folder"]);
    world.plans = [(dag("d"), waiting(&["file a"]))].into();
    world.restart(6);
    assert_eq!(told(&world), [""; 0]);
}
