#!/usr/bin/env bash
# The daemon: its start, its rest, its reload, and how late runs begin and end when many are due.
#
#   bench/schedule.sh [dags]      10,000 DAGs for the lateness by default
#
# RUNNER      the binary to measure    target/release/runner
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
many=${1:-10000}
runner=${RUNNER:-$root/target/release/runner}
work=$(mktemp -d)
daemon=
finish() {
    if [ -n "$daemon" ]; then kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null; fi
    rm -rf "$work"
}
trap finish EXIT
cd "$work"
mkfifo said

since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.0f ms", (b - a) * 1000 }'; }
row() { printf '%-60s %s\n' "$1" "$2"; }
# awaited <words> [times]: until the daemon has said so, so often. It is read from a pipe: whoever looks
# again and again takes one of the processors.
awaited() {
    local left=${2:-1} line
    while [ "$left" -gt 0 ] && read -r line <&3; do
        case $line in *"$1"*) left=$((left - 1)) ;; esac
    done
}
project() {
    rm -rf pipelines .runner
    mkdir pipelines
    echo '{}' >runner.yaml
}
start() {
    from=$EPOCHREALTIME
    "$runner" schedule 2>said &
    daemon=$!
    exec 3<said
    awaited 'scheduling '
}
# What it says from now on is heard, and forgotten.
unheard() { cat <&3 >/dev/null & }
stop() {
    kill "$daemon"
    wait "$daemon" || true
    daemon=
}
# lateness <column>: from the scheduled time to the column, of all runs: median, p99 and most.
lateness() {
    python3 - "$1" <<'PYTHON'
import sqlite3, sys
rows = sqlite3.connect(".runner/state.db").execute(f"select {sys.argv[1]} - logical_time from run where {sys.argv[1]} is not null")
late = sorted(row[0] / 1000 for row in rows)
print(f"{len(late)} runs: median {late[len(late) // 2]:.0f} ms, p99 {late[int(len(late) * 0.99)]:.0f} ms, most {late[-1]:.0f} ms")
PYTHON
}
# ended <count>: until so many runs have ended.
ended() {
    python3 - "$1" <<'PYTHON'
import sqlite3, sys, time
while True:
    found = sqlite3.connect(".runner/state.db").execute("select count(*) from run where finished is not null").fetchone()
    if found[0] >= int(sys.argv[1]):
        break
    time.sleep(0.2)
PYTHON
}
# in_a_while <seconds>: a moment, as second and minute of a cron line.
in_a_while() { date -u -d "@$(($(date +%s) + $1))" '+%-S %-M'; }

project
for ((i = 0; i < 1000; i++)); do
    printf 'dag: d%04d\nschedule: { cron: "0 3 * * *", timezone: UTC }\ntasks: { a: {}, b: { needs: a } }\n' "$i" >"pipelines/d$i.yaml"
done
"$runner" schedule --once 2>/dev/null
start
row "start with 1,000 DAGs, until it schedules" "$(since "$from")"
before=$(awk '{ print $14 + $15 }' "/proc/$daemon/stat")
sleep 10
after=$(awk '{ print $14 + $15 }' "/proc/$daemon/stat")
row "at rest for 10 s: processor time, memory" "$(((after - before) * 10)) ms, $(awk '/VmRSS/ { printf "%.1f MB", $2 / 1024 }' "/proc/$daemon/status")"
from=$EPOCHREALTIME
sed -i 's/0 3/0 4/' pipelines/d500.yaml
awaited 'has changed'
row "an edit among 1,000 DAGs, until it has effect" "$(since "$from")"
from=$EPOCHREALTIME
sed -i 's/0 3/0 5/' pipelines/*.yaml
awaited 'has changed' 999
row "the 999 others edited, until all have effect" "$(since "$from")"
stop

project
read -r second minute <<<"$(in_a_while 8)"
for ((i = 0; i < 100; i++)); do
    {
        printf 'dag: c%03d\nschedule: { cron: "%s %s * * * *", timezone: UTC }\ntasks:\n  t0: {}\n' "$i" "$second" "$minute"
        for ((t = 1; t < 10; t++)); do printf '  t%d: { needs: t%d }\n' "$t" $((t - 1)); done
    } >"pipelines/c$i.yaml"
done
start
unheard
ended 100
row "100 DAGs × 10 tasks in a row, all at once: until the end" "$(lateness finished)"
stop

project
read -r second minute <<<"$(in_a_while $((20 + many / 500)))"
for ((i = 0; i < many; i++)); do
    printf 'dag: s%05d\nschedule: { cron: "%s %s * * * *", timezone: UTC }\ntasks: { a: {} }\n' "$i" "$second" "$minute" >"pipelines/s$i.yaml"
done
start
unheard
ended "$many"
row "$many in the same second: until the start" "$(lateness started)"
row "$many in the same second: until the end" "$(lateness finished)"
stop

project
minute=$(date -u -d "@$(($(date +%s) + 60 + many / 500))" +%-M)
for ((i = 0; i < many; i++)); do
    printf 'dag: m%05d\nschedule: { cron: "%d %s * * * *", timezone: UTC }\ntasks: { a: {} }\n' "$i" $((i % 60)) "$minute" >"pipelines/m$i.yaml"
done
start
unheard
ended "$many"
row "$many spread over a minute: until the start" "$(lateness started)"
stop
