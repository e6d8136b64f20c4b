"""Tables as files, beside the lines of a segment or alone.

In: lines. Out: CSV, NDJSON and Parquet (`files`); of a tree of tables and manifests, what that proves (`verify`).
"""
