#!/usr/bin/env bash
# The pages: what each costs with a million past runs, a long log, many viewers, memory. Every line names
# what is measured, the figure, its limit, and whether that holds; fails when one doesn't.
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

failed=0
cargo bench --quiet --manifest-path "$root/Cargo.toml" --bench web -- "${1:-1000000}" "$work" || failed=1

cd "$work"
mkdir -p pipelines
echo '{}' >runner.yaml
for ((i = 0; i < 100; i++)); do
    printf 'dag: d%02d\nschedule: { cron: "0 3 * * *", timezone: UTC }\ntasks: { a: {}, b: { needs: a } }\n' "$i" >"pipelines/d$i.yaml"
done
# memory <last words> <arguments>: of a daemon that has nothing to do, in kB: all, and what is its own.
memory() {
    local words=$1
    shift
    rm -rf .runner
    "$runner" schedule "$@" 2>said &
    daemon=$!
    while ! grep -q "$words" said; do
        kill -0 "$daemon" || { cat said && exit 1; }
        sleep 0.05
    done
    # Until it has nothing to do any more.
    sleep 3
    read -r rss own < <(awk '/^Rss/ { rss += $2 } /^Private_/ { own += $2 } END { print rss, own }' "/proc/$daemon/smaps_rollup")
    kill "$daemon"
    wait "$daemon" || true
    daemon=
}
memory 'scheduling '
alone=$rss alone_own=$own
memory 'serving pages' --web 127.0.0.1:0
echo
awk -v a="$alone" -v b="$rss" -v c="$alone_own" -v d="$own" 'BEGIN {
    more = (b - a) / 1024
    printf "%-42s %8.1f %-2s of %3.0f  %-8s  %.1f MB with pages (%.1f MB its own), %.1f MB without (%.1f MB)\n",
        "what pages add to an idle daemon", more, "MB", 10, more <= 10 ? "ok" : "TOO MUCH", b / 1024, d / 1024, a / 1024, c / 1024
    exit more > 10 }' || failed=1
exit "$failed"
