//! Several writers of one file, readers beside them, and answers that are lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use runner::data::{Compression, FileMode};

use super::{Scene, blocking, read, revise, rows};

const WRITERS: u64 = 4;
const ROUNDS: u64 = 12;

/// Writers that each add rows of their own, and a reader that never sees half a file.
fn writers(scene: Scene, mode: FileMode) -> Scene {
    let scene = Arc::new(scene);
    let ended = Arc::new(AtomicBool::new(false));
    let seen = {
        let (scene, ended) = (scene.clone(), ended.clone());
        let handle = tokio::runtime::Handle::current();
        std::thread::spawn(move || {
            let _entered = handle.enter();
            let mut seen = BTreeSet::new();
            loop {
                let last = ended.load(Ordering::SeqCst);
                if scene.files.head("p/data.csv").unwrap().is_some() {
                    let text = String::from_utf8(read(&*scene.files, "p/data.csv")).unwrap();
                    let rows = text.strip_prefix("n,text\n").expect("a header");
                    assert!(text.ends_with("end\n"), "{text}");
                    assert!(rows.lines().all(|line| line.ends_with(",end")), "{text}");
                    seen.insert(rows.lines().count());
                }
                if last {
                    return seen;
                }
            }
        })
    };
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let scene = scene.clone();
            let handle = tokio::runtime::Handle::current();
            std::thread::spawn(move || {
                let _entered = handle.enter();
                for round in 0..ROUNDS {
                    let new = [(writer * 1000 + round, "end"), (7777, "end")];
                    let load = format!("run/{writer}/{round}");
                    let folder = scene.folder.path();
                    revise(&*scene.files, folder, "p/data.csv", mode, Some(&load), &new).unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    ended.store(true, Ordering::SeqCst);
    let seen = seen.join().unwrap();
    let all = usize::try_from(WRITERS * ROUNDS).unwrap();
    let expected = match mode {
        FileMode::Append => 2 * all,
        _ => all + 1,
    };
    assert_eq!(seen.last(), Some(&expected));
    Arc::into_inner(scene).unwrap()
}

#[test]
fn writers_of_one_file_lose_nothing() {
    for mode in [FileMode::Append, FileMode::Upsert] {
        blocking(move || writers(Scene::folder(), mode));
        let scene = blocking(move || writers(Scene::s3(), mode));
        let refused = scene.server.as_ref().unwrap().refused();
        assert!(refused > 0, "no two writers have met");
    }
}

#[test]
fn a_lost_answer_neither_doubles_nor_loses() {
    for mode in [FileMode::Append, FileMode::Upsert] {
        let scene = Scene::s3();
        blocking(move || {
            let server = scene.server.as_ref().unwrap();
            for n in 0..5 {
                server.lose_answers(1);
                let load = format!("r/t/{n}");
                let folder = scene.folder.path();
                revise(
                    &*scene.files,
                    folder,
                    "x.csv",
                    mode,
                    Some(&load),
                    &[(n, "x")],
                )
                .unwrap();
            }
            assert_eq!(scene.text("x.csv"), "n,text\n0,x\n1,x\n2,x\n3,x\n4,x\n");
        });
    }
}

#[test]
fn a_large_object_is_replaced_under_a_condition_too() {
    let scene = Scene::s3();
    blocking(move || {
        let folder = scene.folder.path();
        let long = "y".repeat(1 << 20);
        let first: Vec<(u64, &str)> = (0..20).map(|n| (n, long.as_str())).collect();
        let revision = rows(folder, FileMode::Upsert, Compression::None, &first);
        scene.files.revise("x.csv", None, &revision).unwrap();
        std::thread::scope(|scope| {
            for writer in 100..103 {
                let scene = &scene;
                let handle = tokio::runtime::Handle::current();
                scope.spawn(move || {
                    let _entered = handle.enter();
                    let new = [(writer, "x")];
                    revise(&*scene.files, folder, "x.csv", FileMode::Upsert, None, &new).unwrap();
                });
            }
        });
        let text = scene.text("x.csv");
        assert_eq!(text.lines().count(), 24);
        assert!(
            [100, 101, 102]
                .iter()
                .all(|n| text.contains(&format!("\n{n},x\n")))
        );
        let server = scene.server.as_ref().unwrap();
        assert!(server.refused() > 0, "no two writers have met");
        assert!(server.most_body() <= 16 << 20);
        assert_eq!(server.open_uploads(), 0);
    });
}

#[test]
fn a_store_without_conditions_is_named() {
    let scene = Scene::s3();
    blocking(move || {
        scene.server.as_ref().unwrap().grow_old();
        let folder = scene.folder.path();
        let go = |mode| revise(&*scene.files, folder, "x.csv", mode, None, &[(1, "x")]);
        go(FileMode::Replace).unwrap();
        let error = go(FileMode::Append).unwrap_err().to_string();
        assert!(error.contains("NotImplemented"), "{error}");
        assert_eq!(
            scene.server.as_ref().unwrap().keys(),
            ["things/deep/er/x.csv"]
        );
    });
}
