"""The writer thread: records in, transactions out.

In: records with a future that waits for them, or none, and small statements. `writer.Writer` queues and retries,
`batching` says when a transaction begins, `commit` gives each record its `seq` and digest, `files` holds the open
parts, `nodes` and `bundles` prepare what is written beside records, `sums` adds up what was committed. Out: the
records as stored, through their futures. `writer` explains how.
"""
