//! The committed samples: they are what the generator makes, and have the awkward shapes they are there for.

use std::fs;
use std::path::{Path, PathBuf};

use generator::Scale;

#[path = "../../examples/generate_samples/generator/mod.rs"]
pub(crate) mod generator;

const NAMES: [&str; 4] = ["deposit", "withdrawals", "event", "user_id"];

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(format!("{name}_sample_data.csv"))).expect("a readable sample")
}

#[test]
fn are_what_the_generator_makes() {
    let fresh = tempfile::tempdir().unwrap();
    generator::write(fresh.path(), &Scale::SMALL, 1).unwrap();
    for name in NAMES {
        assert!(
            read(fresh.path(), name) == read(&committed(), name),
            "samples/{name}_sample_data.csv is stale: run `cargo run --example generate_samples`"
        );
    }
}

#[test]
fn another_seed_gives_other_rows() {
    let fresh = tempfile::tempdir().unwrap();
    generator::write(fresh.path(), &Scale::SMALL, 2).unwrap();
    for name in NAMES {
        let (other, ours) = (read(fresh.path(), name), read(&committed(), name));
        assert_ne!(other, ours, "{name}");
        assert_eq!(other.lines().count(), ours.lines().count(), "{name}");
    }
}

#[test]
fn have_the_shapes_of_the_real_files() {
    let check = |name: &str, shape: &str, expected: usize, is: &dyn Fn(&[&str]) -> bool| {
        let content = read(&committed(), name);
        let rows = content.lines().skip(1);
        let found = rows
            .filter(|row| is(&row.split(',').collect::<Vec<_>>()))
            .count();
        // 0 stands for "at least one".
        assert!(
            if expected == 0 {
                found > 0
            } else {
                found == expected
            },
            "{name}: {found} rows with {shape}"
        );
    };
    check("user_id", "a blank line", 1, &|row| row == [""]);
    check("user_id", "an id", 800, &|row| row[0].len() == 32);
    check("deposit", "any cells", 3_000, &|row| row.len() == 6);
    check("deposit", "no amount", 12, &|row| row[3].is_empty());
    check("deposit", "no user", 2, &|row| row[2].is_empty());
    check("deposit", "18 decimals", 0, &|row| {
        row[3]
            .split_once('.')
            .is_some_and(|(_, decimals)| decimals.len() == 18)
    });
    check("deposit", "a midnight of its own offset", 0, &|row| {
        row[1] == "2020-08-20 00:00:00.000+00"
    });
    check("deposit", "the last moment of the day", 0, &|row| {
        row[1] == "2020-08-20 23:59:59.999+00"
    });
    check("deposit", "no decimals of the second", 0, &|row| {
        row[1].len() == 22
    });
    check("deposit", "an offset of half an hour", 0, &|row| {
        row[1].ends_with("+05:30")
    });
    check("deposit", "an offset to the west", 0, &|row| {
        row[1].ends_with("-03")
    });
    check("withdrawals", "any cells", 2_000, &|row| row.len() == 7);
    check("withdrawals", "the smallest amount", 1, &|row| {
        row[3] == "-10.0"
    });
    check("withdrawals", "the largest amount", 1, &|row| {
        row[3] == "6800000000000.0"
    });
    check("event", "any cells", 3_000, &|row| row.len() == 4);
    check("event", "a login", 900, &|row| row[3] == "login");
    check("event", "a login of nobody", 1, &|row| {
        row[2].is_empty() && row[3] == "login"
    });
    check("event", "six decimals and no offset", 3_000, &|row| {
        row[1].len() == 26
    });
    check("event", "midnight", 0, &|row| {
        row[1] == "2020-08-21 00:00:00.000000"
    });
}
