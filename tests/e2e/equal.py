"""Compares lakes: `equal.py LAKE LAKE`. Prints rows and labelled rows of each table of the first as
JSON, after it has seen that the other has the same ones. Left out is what only tells where a row
came from, and profiles of no samples, which are not sent."""

import json
import sys

import duckdb

OWN = {"samples": ["profile_id", "date", "hour"],
       "profiles": ["profile_id", "source", "ingest_time", "date", "hour"],
       "functions": ["date", "hour"]}


def rows(table, lake):
    columns = ", ".join(OWN[table])
    files = f"read_parquet('{lake}/{table}/**/*.parquet', hive_partitioning = true)"
    where = "WHERE samples > 0" if table == "profiles" else ""
    distinct = "DISTINCT" if table == "functions" else ""
    return f"SELECT {distinct} * EXCLUDE ({columns}) FROM {files} {where}"


one, other = sys.argv[1:]
counts = {}
for table in OWN:
    for a, b in [(one, other), (other, one)]:
        missing = duckdb.sql(f"{rows(table, a)} EXCEPT ALL {rows(table, b)}").fetchall()
        if missing:
            sys.exit(f"{table}: {len(missing)} rows of {a} are not in {b}, as {missing[:2]}")
    counts[table] = duckdb.sql(f"SELECT count(*) FROM ({rows(table, one)})").fetchall()[0][0]
labelled = (f"SELECT count(*) FROM ({rows('samples', one)}) WHERE labels['task'] = 'burn'"
            " AND trace_id IS NOT NULL AND span_id IS NOT NULL AND resource['team'] = 'red'")
counts["labelled"] = duckdb.sql(labelled).fetchall()[0][0]
print(json.dumps(counts))
