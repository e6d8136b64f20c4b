"""Who adds up: plain Python, DuckDB, or a Spark session that is given to us. They select and add; nothing else.

All that runs SQL runs the same text (`sql`), so that one is held against the other.
"""
