#!/usr/bin/env bash
# A million JSON records of about 120 bytes, in pages of 10,000, from a server on this machine into the project's
# private PostgreSQL: a copy task, and what one would write by hand in Python (httpx and psycopg's COPY).
#
#   bench/http_json.sh [rounds] [rows]    3 rounds of 1,000,000 rows by default; the two in turn; the median counts
#
# RUNNER      the binary to measure    target/release/runner
# VENV        where httpx and psycopg are installed, once    target/bench/http_json/venv
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
rounds=${1:-3}
rows=${2:-1000000}
runner=${RUNNER:-$root/target/release/runner}
venv=${VENV:-$root/target/bench/http_json/venv}
work=$(mktemp -d)
if [ ! -e "$venv/.complete" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet 'httpx>=0.28' 'psycopg[binary]>=3.2'
    touch "$venv/.complete"
fi
cd "$work"
mkdir pipelines sql

mkfifo address
python3 "$root/bench/http_json_server.py" "$rows" >address &
server=$!
# The server stops when the last who uses it has gone, and writes until then.
trap 'kill $server ${held_PID:-} 2>/dev/null; wait 2>/dev/null; for _ in {1..100}; do rm -rf "$work" 2>/dev/null && break; sleep 0.1; done' EXIT
read -r api <address

cat >runner.yaml <<YAML
connections:
  bench: { postgres: embedded }
  api: { http: { base_url: "$api" } }
YAML
cat >sql/tables.sql <<'SQL'
create table if not exists by_runner (
    id bigint, base text, target text, last numeric, volume numeric, at timestamptz, market text);
create table if not exists by_script (like by_runner);
SQL
cat >pipelines/tables.yaml <<'YAML'
dag: tables
tasks: { tables: { sql: { connection: bench, file: sql/tables.sql } } }
YAML
cat >pipelines/load.yaml <<'YAML'
dag: load
tasks:
  load:
    copy:
      from: { connection: api, get: /records, records: items, pages: { page: page } }
      to: { connection: bench, table: by_runner, mode: replace }
YAML

# The server lives as long as this one uses it.
coproc held { exec "$runner" db url --hold bench 2>/dev/null; }
read -r url <&"${held[0]}"
"$runner" trigger --quiet tables >/dev/null


# measure <name>: seconds and peak memory in KiB
measure() {
    /usr/bin/time -f '%e %M' "${@:2}" 2>&1 >/dev/null | tail -1 >>"$1.times"
}
seconds() { awk '{ print $1 }' "$1.times" | sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
memory() { awk '{ print $2 }' "$1.times" | sort -n | tail -1; }

for ((round = 0; round < rounds; round++)); do
    measure script "$venv/bin/python" "$root/bench/http_json_peer.py" "$api/records" "$url"
    measure runner "$runner" trigger --quiet load
done
[ "$(psql -qXAt -d "$url" -c 'select count(*) from (table by_runner except all table by_script) d')" = 0 ]
[ "$(psql -qXAt -d "$url" -c 'select count(*) from by_runner')" = "$rows" ]

echo "load of the machine: $(cut -d ' ' -f 1-3 /proc/loadavg)"
awk -v p="$(seconds script)" -v pm="$(memory script)" -v r="$(seconds runner)" -v rm="$(memory runner)" -v n="$rows" 'BEGIN {
    printf "%d rows\n", n
    printf "%-10s %8.2f s %10d rows/s, %d MB of memory\n", "script", p, n / p, pm / 1024
    printf "%-10s %8.2f s %10d rows/s, %d MB of memory   = %.1f × the script\n", "runner", r, n / r, rm / 1024, p / r
}'
