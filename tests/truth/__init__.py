"""The truth lab: situations whose cause is known, built of real programs, and what the product says of each.

`python -m tests.truth` prints whom it accused beside who was to blame. Nothing of `probe.lab` is used: what is judged
here did not write its own exam. See CONTRIBUTING.md.
"""
