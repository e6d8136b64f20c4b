"""The closed list of codes, and for each code a test in which a real peer provokes it.

`python -m tests.codes` prints the list. A test says with `provokes` what it provokes; it fails where it does not.
"""
