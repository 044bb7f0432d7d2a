"""What pyarrow reads from a lake, as JSON: sums by service, profile, sample type and leaf function,
and what the footers of the files declare."""

import json
import sys

import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

lake = sys.argv[1]
keys = ["service", "profile", "sample_type", "function"]


def table(name):
    return ds.dataset(f"{lake}/{name}", format="parquet", partitioning="hive")


def sums(name, by, values):
    rows = table(name).to_table(columns=by + values)
    # Each file has dictionaries of its own; pyarrow groups by one.
    grouped = rows.unify_dictionaries().group_by(by)
    return grouped.aggregate([(value, "sum") for value in values]).to_pylist()


places = table("samples").to_table(columns=["time", "hour"])
assert len(places) > 0
assert pc.all(pc.equal(pc.hour(places["time"]), places["hour"])).as_py(), "rows in other hours"

footers = {}
for name in ["samples", "profiles", "functions"]:
    footers[name] = []
    for path in table(name).files:
        footer = pq.ParquetFile(path).metadata
        names = footer.schema.to_arrow_schema().names
        groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
        for group in groups:
            order = [group.column(c.column_index).path_in_schema for c in group.sorting_columns]
            footers[name].append(",".join(order))
        assert footer.metadata[b"profpipe.schema"] == b"1", path
        assert b"profpipe.writer" in footer.metadata, path
        assert "service" in names or name == "functions", path

print(json.dumps({
    "samples": sums("samples", keys, ["value", "count"]),
    "profiles": sums("profiles", keys[:3], ["total"]),
    "orders": {name: sorted(set(orders)) for name, orders in footers.items()},
}))
