"""The bytes behind an observation, kept while a slot runs, and the bundle made of them.

In: what was sent and received (`capture`). Out: a `core.results.bundle` of a slot that is not well
(`bundle_builder`), with secrets removed.
"""
