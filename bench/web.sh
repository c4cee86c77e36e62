#!/usr/bin/env bash
# The pages: what each costs with a million past runs, a long log, many viewers, memory.
#
#   bench/web.sh [past runs]      1,000,000 by default
#
# RUNNER      the binary whose memory is measured    target/release/runner
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
runner=${RUNNER:-$root/target/release/runner}
work=$(mktemp -d)
daemon=
finish() {
    if [ -n "$daemon" ]; then kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null; fi
    rm -rf "$work"
}
trap finish EXIT

cargo run --quiet --release --manifest-path "$root/Cargo.toml" --example bench_web -- "${1:-1000000}" "$work"

cd "$work"
mkdir -p pipelines
echo '{}' >runner.yaml
for ((i = 0; i < 100; i++)); do
    printf 'dag: d%02d\nschedule: { cron: "0 3 * * *", timezone: UTC }\ntasks: { a: {}, b: { needs: a } }\n' "$i" >"pipelines/d$i.yaml"
done
# memory <arguments>: of a daemon that has nothing to do, in kB: all, and what is its own.
memory() {
    rm -rf .runner
    "$runner" schedule "$@" 2>said &
    daemon=$!
    while ! grep -q 'scheduling ' said; do sleep 0.01; done
    if [ $# -gt 0 ]; then
        while ! grep -q 'serving pages' said; do sleep 0.01; done
    fi
    sleep 2
    awk '/^Rss/ { rss += $2 } /^Private_/ { own += $2 } END { print rss, own }' "/proc/$daemon/smaps_rollup"
    kill "$daemon"
    wait "$daemon" || true
    daemon=
}
read -r rss own <<<"$(memory)"
read -r web_rss web_own <<<"$(memory --web 127.0.0.1:0)"
awk -v a="$rss" -v b="$web_rss" -v c="$own" -v d="$web_own" 'BEGIN {
    printf "\nidle with 100 DAGs: %.1f MB (%.1f MB its own); with pages %.1f MB (%.1f MB its own), %.1f MB more\n",
        a / 1024, c / 1024, b / 1024, d / 1024, (b - a) / 1024 }'
