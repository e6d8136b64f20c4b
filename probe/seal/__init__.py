"""Keys, sealed segments and their verification: results as files that can be moved away and proved later.

In: the lines of the store or of a copy, and the agent's key (`keys`, `key_ring`). `sealer` seals on its schedule;
`segments` writes whole segments with a signed manifest (`core.proof.manifest`), `segment_files` the files themselves,
`position` records how far sealing is; `stamps` has heads stamped by a third party. Out: segment files, exports
(`export_files`, `parquet`), and, for verification, the signed heads and time stamps found (`proofs`) and the reports
of whatever holds lines (`verify_sources`).
"""
