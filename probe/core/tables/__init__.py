"""Records as flat tables that anybody can read: `slots`, `requests`, `events`, `grains`.

In: lines of a stream, as they are stored. Out: rows whose columns are fixed (`columns`), for CSV, NDJSON and Parquet,
and for whoever adds them up. Pure. docs/tables.md describes every column.
"""
