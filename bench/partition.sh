#!/usr/bin/env bash
# A CSV file parted by hour and book into a folder: a copy task, and the Python script that one would write by hand.
#
#   bench/partition.sh [rounds] [rows]    3 rounds of 5,000,000 rows (about 500 MB) by default; the two in turn; the
#                                         median counts, of the memory the most
#
# RUNNER      the binary to measure    target/release/runner
# SHAPE       sorted                   rows in the order of their time, as streams have them (default)
#             mixed                    every row in another file than the one before
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
rounds=${1:-3}
rows=${2:-5000000}
shape=${SHAPE:-sorted}
runner=${RUNNER:-$root/target/release/runner}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir pipelines

cat >runner.yaml <<'YAML'
connections: { lake: { bucket: lake/ } }
YAML
cat >pipelines/part.yaml <<'YAML'
dag: part
tasks:
  part:
    copy:
      from: { file: rows.csv }
      to: { connection: lake, file: "day={{ at | date('%d') }}/hour={{ at | date('%H') }}/book={{ book }}/data.csv" }
YAML
cat >part.py <<'PYTHON'
import csv, os
from datetime import datetime
files, writers = {}, {}
with open("rows.csv", newline="") as source:
    reader = csv.reader(source)
    header = next(reader)
    at, book = header.index("at"), header.index("book")
    for row in reader:
        time = datetime.fromisoformat(row[at])
        path = f"script/day={time:%d}/hour={time:%H}/book={row[book]}/data.csv"
        writer = writers.get(path)
        if writer is None:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            file = files[path] = open(path, "w", newline="")
            writer = writers[path] = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
        writer.writerow(row)
for file in files.values():
    file.flush()
    os.fsync(file.fileno())
    file.close()
PYTHON
awk -v rows="$rows" -v shape="$shape" 'BEGIN {
    print "at,book,bid,ask,trader,note"
    for (i = 0; i < rows; i++) {
        s = shape == "sorted" ? int(i * 172800 / rows) : (i * 7919) % 172800
        printf "2026-08-%02dT%02d:%02d:%02d.%03dZ,%s,%d.%02d,%d.%02d,trader number %d,a note of some length %d\n", \
            20 + int(s / 86400), int(s / 3600) % 24, int(s / 60) % 60, s % 60, i % 1000, \
            i % 2 ? "btc_mxn" : "usd_mxn", i % 90000, i % 100, i % 90000 + 1, i % 100, i % 9973, i
    }
}' >rows.csv
bytes=$(stat -c %s rows.csv)

# measured <name> <command…>: seconds and the most memory in MB
measured() {
    local name=$1
    shift
    /usr/bin/env python3 - "$name" "$@" <<'PYTHON'
import os, resource, sys, time
began = time.monotonic()
child = os.fork()
if child == 0:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.execvp(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(child, 0)
assert status == 0, status
print(f"{time.monotonic() - began:.3f} {usage.ru_maxrss / 1024:.0f}", file=open(sys.argv[1], "a"))
PYTHON
}
for _ in $(seq "$rounds"); do
    rm -rf lake script
    measured runner.txt "$runner" trigger --quiet part
    measured script.txt python3 part.py
done
if ! diff -rq lake script >/dev/null; then
    echo "the two have written different files" >&2
    exit 1
fi
for name in script runner; do
    sort -n "$name.txt" | awk -v name="$name" -v bytes="$bytes" '
        { all[NR] = $1; if ($2 > most) most = $2 }
        END { s = all[int((NR + 1) / 2)]; printf "%-8s %8.2f s %8.0f MB/s %6d MB of memory\n", name, s, bytes / s / 1e6, most }'
done
