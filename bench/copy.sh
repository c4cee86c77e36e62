#!/usr/bin/env bash
# A CSV file of a million rows and four columns into the project's private PostgreSQL: a copy task, and psql's \copy
# into the same server.
#
#   bench/copy.sh [rounds] [rows]    5 rounds of 1,000,000 rows by default; the two in turn; the median counts
#
# RUNNER      the binary to measure    target/release/runner
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
rounds=${1:-5}
rows=${2:-1000000}
runner=${RUNNER:-$root/target/release/runner}
work=$(mktemp -d)
cd "$work"
mkdir pipelines sql

cat >runner.yaml <<'YAML'
connections: { bench: { postgres: embedded } }
YAML
cat >sql/tables.sql <<'SQL'
create table if not exists by_runner (id bigint, day timestamptz, name text, amount numeric);
create table if not exists by_psql (like by_runner);
SQL
cat >pipelines/tables.yaml <<'YAML'
dag: tables
tasks: { tables: { sql: { connection: bench, file: sql/tables.sql } } }
YAML
cat >pipelines/load.yaml <<'YAML'
dag: load
tasks:
  load:
    copy: { from: { file: rows.csv }, to: { connection: bench, table: by_runner, mode: replace } }
YAML
awk -v rows="$rows" 'BEGIN {
    print "id,day,name,amount"
    for (i = 1; i <= rows; i++)
        printf "%d,2026-08-%02dT%02d:%02d:%02dZ,name %d,%d.%02d\n", i, i % 28 + 1, i % 24, i % 60, i % 60, i % 9973, i % 100000, i % 100
}' >rows.csv

# The server lives as long as this one uses it.
coproc held { exec "$runner" db url --hold bench 2>/dev/null; }
# The server stops when the last who uses it has gone, and writes until then.
trap 'kill $held_PID 2>/dev/null; wait 2>/dev/null; for _ in {1..100}; do rm -rf "$work" 2>/dev/null && break; sleep 0.1; done' EXIT
read -r url <&"${held[0]}"
"$runner" trigger --quiet tables >/dev/null

by_psql() {
    psql -qX -v ON_ERROR_STOP=1 --single-transaction -d "$url" \
        -c 'truncate by_psql' -c "\\copy by_psql from 'rows.csv' (format csv, header)"
}
by_runner() { "$runner" trigger --quiet load >/dev/null; }

# seconds <command>
seconds() {
    local from=$EPOCHREALTIME
    "$@"
    awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f\n", b - a }'
}
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

by_psql && by_runner
for ((round = 0; round < rounds; round++)); do
    seconds by_psql >>psql.times
    seconds by_runner >>runner.times
done
[ "$(psql -qXAt -d "$url" -c 'select count(*) from (table by_runner except all table by_psql) d')" = 0 ]

memory=$({ /usr/bin/time -f %M "$runner" trigger --quiet load >/dev/null; } 2>&1 | tail -1)
psql=$(median <psql.times)
ours=$(median <runner.times)
size=$(stat -c %s rows.csv)
awk -v p="$psql" -v r="$ours" -v n="$rows" -v b="$size" -v m="$memory" 'BEGIN {
    printf "%d rows, %.0f MB\n", n, b / 1e6
    printf "%-10s %8.2f s %10d rows/s\n", "psql", p, n / p
    printf "%-10s %8.2f s %10d rows/s   = %.2f × psql, %d MB of memory\n", "runner", r, n / r, r / p, m / 1024
}'
