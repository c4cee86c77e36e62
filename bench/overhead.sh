#!/usr/bin/env bash
# What the engine costs: chains and fan-outs of tasks that do next to nothing, whole process and durable state
# (SQLite, synchronous FULL), beside a bare shell loop of the same commands and a floor of bare fdatasyncs.
#
#   bench/overhead.sh [rounds]       9 rounds by default; the median counts. What is compared is run in turns: the
#                                    machine is never the same for long
#
# RUNNER      the binary to measure    target/release/runner
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
rounds=${1:-9}
runner=${RUNNER:-$root/target/release/runner}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir pipelines

# chain <dag> <tasks> <body>: a pipeline of so many tasks in a row.
chain() {
    {
        printf 'dag: %s\ntasks:\n  t0: %s\n' "$1" "$3"
        for ((i = 1; i < $2; i++)); do
            local body=${3#\{ }
            if [ "$3" = '{}' ]; then printf '  t%d: { needs: t%d }\n' "$i" $((i - 1)); else printf '  t%d: { needs: t%d, %s\n' "$i" $((i - 1)) "$body"; fi
        done
    } >"pipelines/$1.yaml"
}

# fan <dag> <tasks> <body>: a pipeline of so many tasks beside each other.
fan() {
    {
        printf 'dag: %s\ntasks:\n' "$1"
        for ((i = 0; i < $2; i++)); do printf '  t%d: %s\n' "$i" "$3"; done
    } >"pipelines/$1.yaml"
}

# once <command…>: how long it takes, in seconds.
once() {
    local from=$EPOCHREALTIME
    "$@" >/dev/null
    awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.4f\n", b - a }'
}
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
# timed <command…>: the median of the rounds, in seconds.
timed() { for ((round = 0; round < rounds; round++)); do once "$@"; done | median; }
# in_turns <command…>: each round all of them; a median for each.
in_turns() {
    local command
    rm -f turns.*
    for ((round = 0; round < rounds; round++)); do
        # shellcheck disable=SC2086 # a name and its arguments
        for command in "$@"; do once $command >>"turns.${command%% *}"; done
    done
    for command in "$@"; do median <"turns.${command%% *}"; done
}

row() { printf '%-44s %9s s   %s\n' "$1" "$2" "${3:-}"; }
per_second() { awk -v n="$1" -v s="$2" 'BEGIN { printf "%d/s", n / s }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f × the shell loop", a / b }'; }

shell_loop() { sh -c 'i=0; while [ $i -lt '"$1"' ]; do /bin/true; i=$((i + 1)); done'; }
shell_shells() { sh -c 'i=0; while [ $i -lt '"$1"' ]; do sh -c true; i=$((i + 1)); done'; }
trigger() { "$runner" trigger --quiet "$1"; }
# One project for each shape, so that none pays for reading another.
project() { rm -rf pipelines .runner; mkdir pipelines; }
only() { project; "$@"; }

row "runner --help" "$(timed "$runner" --help)"

only chain chain40 40 '{ shell: "true" }'
{ read -r loop && read -r shells && read -r runs; } < <(in_turns "shell_loop 40" "shell_shells 40" "trigger chain40")
row "40 × /bin/true, shell loop" "$loop"
row "40 × sh -c true, shell loop" "$shells"
row "chain of 40 × shell: true" "$runs" "$(ratio "$runs" "$loop")"

only fan fan100 100 '{ shell: "true" }'
{ read -r loop && read -r runs; } < <(in_turns "shell_loop 100" "trigger fan100")
row "100 × /bin/true, shell loop" "$loop"
row "fan-out of 100 × shell: true" "$runs" "$(ratio "$runs" "$loop")"

only chain chain1000 1000 '{}'
runs=$(timed trigger chain1000)
row "chain of 1,000 empty tasks" "$runs" "$(per_second 1000 "$runs")"

only fan fan10000 10000 '{}'
runs=$(timed trigger fan10000)
row "fan-out of 10,000 empty tasks" "$runs" "$(per_second 10000 "$runs")"

printf 'dag: items\ntasks:\n  all: { foreach: "{{ range(10000) | list }}" }\n' >pipelines/items.yaml
rm pipelines/fan10000.yaml
runs=$(timed trigger items)
row "foreach of 10,000 empty items" "$runs" "$(per_second 10000 "$runs")"

only chain chain100000 100000 '{}'
row "check of a DAG of 100,000 tasks" "$(timed "$runner" check)"
memory=$({ /usr/bin/time -f %M "$runner" check >/dev/null; } 2>&1 || echo "?")
printf '%-44s %9s MB\n' "  its memory" "$((memory / 1024))"
