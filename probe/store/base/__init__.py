"""The shape of the store: its files, tables and statements.

`schema` opens and migrates files and holds the errors; `parts` lists, begins and closes the numbered files; `rows`
turns records into rows; `query` reads without a write lock; `grains` packs sums;
`ledger` answers which slots are stored.
"""
