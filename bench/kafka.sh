#!/usr/bin/env bash
# A topic of a million JSON messages of about 120 bytes into PostgreSQL, exactly once: a copy task, and what a user
# would write by hand in Python (confluent-kafka and psycopg's COPY, offsets in the same transaction).
#
#   bench/kafka.sh [rounds] [messages]    3 rounds of 1,000,000 by default; the two in turn; the median counts
#
# RUNNER      the binary to measure    target/release/runner
# PYTHON      with confluent-kafka and psycopg[binary]    python3
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
rounds=${1:-3}
messages=${2:-1000000}
runner=${RUNNER:-$root/target/release/runner}
python=${PYTHON:-python3}
work=$(mktemp -d)
cd "$work"
mkdir pipelines

cat >runner.yaml <<'YAML'
connections:
  bench: { postgres: embedded }
  events: { kafka: "${KAFKA_BROKERS:-embedded}" }
YAML
cat >pipelines/prepare.yaml <<'YAML'
dag: prepare
tasks:
  tables:
    sql:
      connection: bench
      script: |
        create table if not exists by_runner (pair text, bid numeric, ask numeric, venue text, n bigint);
        create table if not exists by_python (like by_runner);
        create table if not exists python_offsets (partition int primary key, next bigint);
        truncate by_runner;
        truncate by_python;
        truncate python_offsets;
  topics:
    kafka: { connection: events, topics: { bench: { partitions: 3 } } }
YAML
cat >pipelines/send.yaml <<'YAML'
dag: send
tasks:
  send:
    copy:
      from: { file: messages.ndjson }
      to: { connection: events, topic: bench, key: "{{ n }}" }
YAML
cat >pipelines/load.yaml <<'YAML'
dag: load
params: { group: bench }
tasks:
  load:
    copy:
      from: { connection: events, topic: bench, group: "{{ params.group }}", until: caught_up, batch: 50000 }
      to: { connection: bench, table: by_runner }
      columns: [pair, bid, ask, venue, n]
YAML
cat >load.py <<'PYTHON'
import json, sys
import psycopg
from confluent_kafka import Consumer, TopicPartition

brokers, url, group = sys.argv[1:]
consumer = Consumer({"bootstrap.servers": brokers, "group.id": group, "enable.auto.commit": False})
partitions = consumer.list_topics("bench").topics["bench"].partitions
ends = {p: consumer.get_watermark_offsets(TopicPartition("bench", p))[1] for p in partitions}
consumer.assign([TopicPartition("bench", p, 0) for p in partitions])
next_of = {p: 0 for p in partitions}
with psycopg.connect(url) as connection:
    while any(next_of[p] < end for p, end in ends.items()):
        messages = consumer.consume(50_000, timeout=1.0)
        if not messages:
            continue
        with connection.transaction(), connection.cursor() as cursor:
            with cursor.copy("copy by_python from stdin") as copy:
                for message in messages:
                    r = json.loads(message.value(), parse_float=str)
                    copy.write_row((r["pair"], r["bid"], r["ask"], r["venue"], r["n"]))
                    next_of[message.partition()] = message.offset() + 1
            for partition, offset in next_of.items():
                cursor.execute(
                    "insert into python_offsets values (%s, %s) on conflict (partition) do update set next = excluded.next",
                    (partition, offset),
                )
consumer.close()
PYTHON
awk -v rows="$messages" 'BEGIN {
    for (i = 1; i <= rows; i++)
        printf "{\"pair\":\"BTC-USD\",\"bid\":%d.%02d,\"ask\":%d.%02d,\"venue\":\"an exchange of some name %d\",\"n\":%d}\n", 30000 + i % 30000, i % 100, 30050 + i % 30000, i % 100, i % 97, i
}' >messages.ndjson

# The servers live as long as these use them.
coproc held { exec "$runner" db url --hold bench 2>/dev/null; }
read -r url <&"${held[0]}"
if [ -n "${KAFKA_BROKERS:-}" ]; then
    brokers=$KAFKA_BROKERS
else
    mkfifo brokers
    "$runner" topic events --url --hold >brokers 2>/dev/null &
    holder=$!
    read -r brokers <brokers
fi
# The server stops when the last who uses it has gone, and writes until then.
trap 'kill $held_PID ${holder:-} 2>/dev/null; wait 2>/dev/null; for _ in {1..100}; do rm -rf "$work" 2>/dev/null && break; sleep 0.1; done' EXIT
"$runner" trigger --quiet prepare >/dev/null
"$runner" trigger --quiet send >/dev/null

# seconds <command>
seconds() {
    local from=$EPOCHREALTIME
    "$@"
    awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f\n", b - a }'
}
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
by_runner() { "$runner" trigger --quiet load -p group="runner-$1" >/dev/null; }
by_python() { "$python" load.py "$brokers" "$url" "python-$1"; }

for ((round = 0; round < rounds; round++)); do
    "$runner" trigger --quiet prepare >/dev/null
    seconds by_python "$round" >>python.times
    seconds by_runner "$round" >>runner.times
done
psql -qXAt -d "$url" -c 'select count(*) from by_runner' -c 'select count(*) from (table by_runner except all table by_python) d' |
    paste -sd ' ' | grep -qx "$messages 0"

"$runner" trigger --quiet prepare >/dev/null
memory=$({ /usr/bin/time -f %M "$runner" trigger --quiet load -p group=memory >/dev/null; } 2>&1 | tail -1)
theirs=$(median <python.times)
ours=$(median <runner.times)
size=$(stat -c %s messages.ndjson)
awk -v p="$theirs" -v r="$ours" -v n="$messages" -v b="$size" -v m="$memory" 'BEGIN {
    printf "%d messages, %.0f MB\n", n, b / 1e6
    printf "%-10s %8.2f s %10d messages/s\n", "python", p, n / p
    printf "%-10s %8.2f s %10d messages/s   = %.1f × python, %d MB of memory\n", "runner", r, n / r, p / r, m / 1024
}'
