"""What is known of the nodes of each domain: their addresses, who saw them when, how soon they had a new version.

In: addresses from resolutions and results of slots, as `values.Sighting`. Intermediate: one inventory a domain
(`domain_inventory`), all of them together (`inventory`); `eligibility` says which addresses may be learned. Out:
`core.records.surroundings.NodeFacts` for the judge, `values.Changes` for the store, and the time in which each node
took up a new version (`propagation`, fed by `propagation_tracker`).
"""
