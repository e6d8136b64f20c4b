"""What is known of a vantage point's own line while slots are measured from it.

In: vantage points with their anchors, a `Fetcher`, a `Clock`. `anchors.ask_anchors` asks a line's anchors once,
`anchor_watch.AnchorWatch` does so regularly, `line_watch.LineWatch` looks whether each line is there as configured,
`watches.Watches` runs both and tells of changes. Out: a `VantageHealth` for a slot's evidence, and events for the
customers concerned; by hand, `vantage_check.Looks` gives a `core.vantage.report.PointLook`. No verdict.
"""
