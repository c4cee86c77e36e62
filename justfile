# The daily commands. `just` lists them.

_list:
    @just --list --unsorted

# Does it compile?
check:
    cargo check --all-targets

# All tests, or those with a name: just test engine
test *names:
    scripts/test {{ names }}

# What must hold before a commit, without the tests
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    shellcheck -x scripts/quickstart scripts/requirements scripts/test .ci/run

# Formats the source
format:
    cargo fmt

# schema/, docs/language.md and docs/kinds/ anew, after a change of the language
generate:
    cargo run -- schema --write

# Accepts the snapshots that changed, after you have read the difference
snapshots:
    INSTA_UPDATE=always cargo test
    git diff --stat -- '*.snap'

# Everything that is checked before a merge
ci:
    .ci/run

# The documentation of the code, in a browser
docs:
    cargo doc --no-deps --open

# Installs runner from this folder, and runs daily_batch
quickstart:
    scripts/quickstart

# Licences, sources, duplicates and known vulnerabilities (needs cargo-deny and the network)
audit:
    cargo deny check

# The samples anew, as they are committed
samples:
    cargo run --example generate_samples

# The full-size daily_batch against psql
bench *arguments:
    cargo build --release
    bench/daily_batch.sh {{ arguments }}
