"""What somebody may do to results that are not theirs to change, in bulk: is it found, and the first record named?

`python -m tests.alterations` tries every kind and prints the table of docs/proof.md.
"""
