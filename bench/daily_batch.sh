#!/usr/bin/env bash
# The full-size daily_batch (1.6 million deposits) by the runner, and the same SQL by psql, on the same server.
#
#   bench/daily_batch.sh [rounds]      3 rounds by default; each starts from empty databases; the best one counts
#
# RUNNER      the binary to measure                      target/release/runner
# BATCH_URL   a server to use, up to the last slash      a private one, stopped at the end
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
rounds=${1:-3}
runner=${RUNNER:-$root/target/release/runner}
work=$root/target/bench/daily_batch
samples=$work/samples
mkdir -p "$work"

main() {
    make_samples
    make_project
    if [ -z "${BATCH_URL:-}" ]; then start_server; fi
    for ((round = 1; round <= rounds; round++)); do
        by_psql
        if [ -x "$runner" ]; then by_runner; fi
    done
    report
}

make_samples() {
    if [ -e "$samples/.complete" ]; then return; fi
    cargo run --quiet --manifest-path "$root/Cargo.toml" --example generate_samples -- --scale full --out "$samples"
    touch "$samples/.complete"
}

# The project as it is, with the large samples.
make_project() {
    rm -rf "$work/project"
    mkdir -p "$work/project"
    ln -s "$root"/{runner.yaml,pipelines,sql} "$samples" "$work/project/"
}

# initdb refuses root: it runs in a namespace of one ordinary user.
start_server() {
    local bin as=()
    bin=$(pg_config --bindir 2>/dev/null || true)
    [ -x "$bin/initdb" ] || bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
    [ "$(id -u)" != 0 ] || as=(unshare --user --map-user=1000 --map-group=1000)
    # A socket's path has to be short.
    server=$(mktemp -d)
    "${as[@]}" "$bin/initdb" --pgdata="$server/data" --username=bench --auth=trust --encoding=UTF8 --locale=C --no-sync >/dev/null
    "${as[@]}" "$bin/postgres" -D "$server/data" -c listen_addresses= -c unix_socket_directories="$server" >"$server/log" 2>&1 &
    postgres=$!
    trap 'kill -INT $postgres; wait $postgres; rm -rf "$server"' EXIT
    export PGHOST=$server PGUSER=bench
    until psql -qX -d postgres -c 'SELECT' >/dev/null 2>&1; do
        kill -0 $postgres || { cat "$server/log"; exit 1; }
    done
    options="?host=$server&user=bench"
    BATCH_URL=postgres://
}

url() { printf '%s/%s%s' "$BATCH_URL" "$1" "${options:-}"; }

# A fresh database, without what the last round left for the server to do.
fresh() {
    psql -qX -d "$(url postgres)" -c "DROP DATABASE IF EXISTS $1" -c "CREATE DATABASE $1" -c CHECKPOINT 2>/dev/null
}

# step <side> <name> <command…>: adds a line "side name seconds" to the times.
step() {
    local start=$EPOCHREALTIME
    "${@:3}"
    awk -v side="$1" -v name="$2" -v from="$start" -v to="$EPOCHREALTIME" \
        'BEGIN { printf "%s %s %.3f\n", side, name, to - from }' >>"$work/times"
}

# all <command> <argument…>: the command with each argument, at the same time; fails when one of them does.
all() {
    local command=$1 argument pids=() pid
    shift
    for argument; do
        "$command" "$argument" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
}

by_psql() {
    fresh bench_psql
    mkdir -p "$work/psql"
    # As the runner's connections are: a time without an offset is UTC.
    export PGTZ=UTC PGOPTIONS='-c client_min_messages=warning'
    step psql total psql_steps
    unset PGTZ PGOPTIONS
}

psql_steps() {
    step psql create_tables script db
    step psql load all load deposit withdrawals event user_id
    step psql new_model script new_model
    step psql migrate script migration
    step psql questions all question "$root"/sql/questions/*.sql
}

psql_() { psql -qX -v ON_ERROR_STOP=1 -d "$(url bench_psql)" "$@"; }

script() { psql_ --single-transaction -f "$root/sql/$1.sql"; }

load() {
    psql_ --single-transaction -c "TRUNCATE $1" \
        -c "\\copy $1 FROM '$samples/$1_sample_data.csv' (FORMAT csv, HEADER)"
}

question() {
    local number=${1##*/}
    printf 'COPY (%s\n) TO STDOUT (FORMAT csv, HEADER);' "$(<"$1")" |
        psql_ -v day="'2020-08-20'" -v from="'2020-08-20'" -v to="'2020-08-21'" -v currency="'mxn'" \
            -v tx_status="''" -v count_deposits="'ever'" >"$work/psql/query${number%%_*}.csv"
}

by_runner() {
    fresh bench_runner
    rm -rf "$work/project/.runner" "$work/project/bucket"
    step runner total trigger
    diff -r "$work/psql" "$work/project/bucket/batch_output"
}

trigger() { (cd "$work/project" && BATCH_URL=$(url bench_runner) "$runner" trigger daily_batch >"$work/runner.log"); }

report() {
    awk '
        { key = $1 " " $2; if (!(key in best) || $3 < best[key]) best[key] = $3; if (!seen[$2]++ && $2 != "total") order[++n] = $2 }
        END {
            printf "%-16s %10s %10s\n", "seconds, best", "psql", "runner"
            for (i = 1; i <= n; i++) printf "%-16s %10.2f\n", order[i], best["psql " order[i]]
            printf "%-16s %10.2f", "total", best["psql total"]
            if ("runner total" in best) printf " %10.2f  = %.2f × psql", best["runner total"], best["runner total"] / best["psql total"]
            print ""
        }' "$work/times"
}

rm -f "$work/times"
main
