"""Where rows, events, nodes, origin versions and evidence are kept: SQLite files, written by one thread.

In: `Record`s from the event loop (`store.Store.append`, `hand_over`). Out: the same records with `seq` and `previous`
once their transaction is on the disk, and pages of lines for readers (`read.reader.Reader`). Layers, upper before
lower: `store` (the facade) and `acks` (what readers confirmed), `read`, `write`, `upkeep`, `base`. Errors:
`base.schema.StoreError` and its kinds.
"""
