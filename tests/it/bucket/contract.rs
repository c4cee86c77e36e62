//! What holds of every store.

use std::io::Write as _;
use std::path::Path;

use runner::data::{Compression, FileMode, Revised};

use super::{Scene, blocking, read, revise, rows};

/// Checks something of a folder and of an object store.
fn check(test: fn(&Scene)) {
    for scene in [Scene::folder(), Scene::s3()] {
        blocking(move || test(&scene));
    }
}

fn write(scene: &Scene, path: &str, bytes: &[u8]) {
    let mut file = scene.files.create(Path::new(path)).unwrap();
    file.write_all(bytes).unwrap();
    file.finish().unwrap();
}

#[test]
fn what_is_written_is_read_and_listed() {
    check(|scene| {
        let files = &*scene.files;
        for path in [
            "raw/b.csv",
            "raw/a b=ü&c.csv",
            "raw/deep/d.csv",
            "raw/.h.csv",
            "top.txt",
        ] {
            write(scene, path, path.as_bytes());
        }
        let listed = |pattern: &str| -> Vec<String> {
            let found = files.list(pattern).unwrap();
            found.into_iter().map(|file| file.path).collect()
        };
        assert_eq!(listed("raw/*.csv"), ["raw/a b=ü&c.csv", "raw/b.csv"]);
        assert_eq!(
            listed("raw/**/*.csv"),
            ["raw/a b=ü&c.csv", "raw/b.csv", "raw/deep/d.csv"]
        );
        assert_eq!(listed("*.txt"), ["top.txt"]);
        assert_eq!(listed("raw/none*"), [""; 0]);
        assert_eq!(listed("raw/b.csv"), ["raw/b.csv"]);
        assert_eq!(listed("raw/none.csv"), [""; 0]);
        assert_eq!(files.head("raw/b.csv").unwrap().unwrap().bytes, 9);
        assert_eq!(files.head("raw").unwrap(), None);
        assert_eq!(read(files, "raw/a b=ü&c.csv"), "raw/a b=ü&c.csv".as_bytes());
        assert_eq!(files.copy("raw/b.csv", "new/c.csv").unwrap(), 9);
        assert_eq!(scene.text("new/c.csv"), "raw/b.csv");
        assert!(files.delete("new/c.csv").unwrap());
        assert!(!files.delete("new/c.csv").unwrap());
        let error = files.open(Path::new("new/c.csv")).err().unwrap();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        assert!(files.copy("new/c.csv", "x").is_err());
    });
}

#[test]
fn no_path_leads_out() {
    check(|scene| {
        for path in ["../x", "a/../../x", "/etc/hostname", "", "a//b/../.."] {
            if scene.server.is_some() && path.starts_with('/') {
                continue;
            }
            assert!(scene.files.create(Path::new(path)).is_err(), "{path}");
            assert!(scene.files.open(Path::new(path)).is_err(), "{path}");
            assert!(scene.files.head(path).is_err(), "{path}");
        }
    });
}

#[test]
fn a_file_that_is_not_finished_is_not_there() {
    check(|scene| {
        write(scene, "x", b"old");
        for size in [10, 20 << 20] {
            let mut file = scene.files.create(Path::new("x")).unwrap();
            file.write_all(&vec![b'n'; size]).unwrap();
            assert_eq!(scene.text("x"), "old");
            drop(file);
        }
        assert_eq!(scene.text("x"), "old");
        let names = scene.files.list("*").unwrap();
        assert_eq!(names.len(), 1);
    });
}

#[test]
fn large_files_go_in_parts() {
    check(|scene| {
        let bytes: Vec<u8> = (0..5_000_000u32).flat_map(u32::to_le_bytes).collect();
        write(scene, "large", &bytes);
        assert!(scene.bytes("large").unwrap() == bytes);
        assert!(read(&*scene.files, "large") == bytes);
        if let Some(server) = &scene.server {
            assert!(server.most_body() <= 8 << 20, "{}", server.most_body());
            assert_eq!(server.open_uploads(), 0);
        }
    });
}

#[test]
fn records_meet_a_file_by_mode() {
    check(|scene| {
        let folder = scene.folder.path();
        let go = |mode, new: &[(u64, &str)]| {
            revise(&*scene.files, folder, "p=1/data.csv", mode, None, new)
                .unwrap()
                .unwrap()
        };
        go(FileMode::Replace, &[(1, "a"), (2, "b")]);
        assert_eq!(scene.text("p=1/data.csv"), "n,text\n1,a\n2,b\n");
        go(FileMode::Append, &[(2, "c")]);
        assert_eq!(scene.text("p=1/data.csv"), "n,text\n1,a\n2,b\n2,c\n");
        let revised = go(FileMode::Upsert, &[(3, "d"), (2, "e"), (3, "f")]);
        assert_eq!(
            revised,
            Revised {
                added: 1,
                replaced: 1
            }
        );
        assert_eq!(scene.text("p=1/data.csv"), "n,text\n1,a\n2,e\n3,f\n");
        go(FileMode::Replace, &[(9, "z")]);
        assert_eq!(scene.text("p=1/data.csv"), "n,text\n9,z\n");
        for mode in [FileMode::Append, FileMode::Upsert] {
            revise(&*scene.files, folder, "new.csv", mode, None, &[(1, "a")]).unwrap();
        }
        assert_eq!(scene.text("new.csv"), "n,text\n1,a\n");
        let names = scene.files.list("**/.*").unwrap();
        assert_eq!(names, []);
    });
}

#[test]
fn a_load_is_appended_once() {
    check(|scene| {
        let go = |load: &str, n: u64| {
            let folder = scene.folder.path();
            let new = [(n, "x")];
            revise(
                &*scene.files,
                folder,
                "a.csv",
                FileMode::Append,
                Some(load),
                &new,
            )
            .unwrap()
            .is_some()
        };
        let done: Vec<bool> = [
            ("r1/t/0", 1),
            ("r1/t/0", 1),
            ("r2/t/0", 2),
            ("r1/t/0", 1),
            ("r2/t/1", 3),
        ]
        .into_iter()
        .map(|(load, n)| go(load, n))
        .collect();
        assert_eq!(done, [true, false, true, false, true]);
        assert_eq!(scene.text("a.csv"), "n,text\n1,x\n2,x\n3,x\n");
        // Other modes leave the memory of what was appended.
        let folder = scene.folder.path();
        revise(
            &*scene.files,
            folder,
            "a.csv",
            FileMode::Upsert,
            None,
            &[(1, "y")],
        )
        .unwrap();
        assert!(!go("r2/t/0", 2));
        assert_eq!(scene.text("a.csv"), "n,text\n1,y\n2,x\n3,x\n");
    });
}

#[test]
fn many_loads_are_remembered() {
    check(|scene| {
        let count = if scene.server.is_some() { 90 } else { 2500 };
        let folder = scene.folder.path();
        let go = |load: u64| {
            let load = format!("run/task/{load}");
            let new = [(0, "x")];
            let done = revise(
                &*scene.files,
                folder,
                "a.csv",
                FileMode::Append,
                Some(&load),
                &new,
            );
            done.unwrap().is_some()
        };
        for load in 0..count {
            assert!(go(load));
        }
        for load in count - 80..count {
            assert!(!go(load), "{load}");
        }
    });
}

#[test]
fn a_packed_file_is_gone_on_with() {
    check(|scene| {
        let folder = scene.folder.path();
        for (path, compression) in [
            ("a.csv.gz", Compression::Gzip),
            ("a.csv.zst", Compression::Zstd),
        ] {
            for (mode, n) in [
                (FileMode::Append, 1),
                (FileMode::Append, 2),
                (FileMode::Upsert, 2),
            ] {
                let revision = rows(folder, mode, compression, &[(n, "x")]);
                scene.files.revise(path, None, &revision).unwrap();
            }
            let packed = scene.bytes(path).unwrap();
            let mut text = String::new();
            let mut unpacked = compression.reader(packed.as_slice()).unwrap();
            std::io::Read::read_to_string(&mut unpacked, &mut text).unwrap();
            assert_eq!(text, "n,text\n1,x\n2,x\n");
        }
    });
}
