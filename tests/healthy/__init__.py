"""Healthy fetches in bulk, from real servers: whoever is accused of anything is accused wrongly.

`python -m tests.healthy --fetches 100000`. In: a number of fetches. Out: a table, and exit 1 if what is claimed of a
healthy service does not hold. The suite runs it small, in `tests/system/test_healthy_fetches.py`.
"""
