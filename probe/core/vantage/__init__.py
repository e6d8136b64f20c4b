"""What may excuse a peer, since it lies on the vantage point's side: its line (`health`: does it carry anything;
`line_quality`: does it lose; `loss`: what lost packets explain), its host's clock (`clock_standing`), a look-up left to
its proxy (`via_proxy`), and servers that refuse it as a visitor (`refusals`, `challenge_marks`). Also what
`vantage check` reports (`report`).

In: observations, anchors' replies, facts of the host. Out: values of `core.records.surroundings`; for the rules of
`core.verdict`, yes or no. Pure.
"""
