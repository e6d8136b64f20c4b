"""A whole small CDN on loopback, with faults on demand: for the demo and the tests.

In: a directory, and the faults to play. `lab.Lab` starts resolvers, origin, edges and anchors (`servers`) with
certificates of its own (`pki`) and writes a configuration for them (`config_files`); `faults.FAULTS` lists what can be
broken, by `acts`; `script` says when, `play.Player` does it. Out: a running lab, and for each fault an
`assessment.Assessment` of the rows that an agent made of it. Knows nothing of the agent but its records.
"""
