"""What is known of a vantage point's own line while slots are measured from it.

In: vantage points with their anchors, a `Fetcher`, a `Clock`. `anchors.ask_anchors` asks a line's anchors once,
`anchor_watch.AnchorWatch` does so regularly, `line_watch.LineWatch` looks whether each line is there as configured,
`watches.Watches` runs both and turns changes into events. `host_dates.HostDates` keeps what other hosts' replies say of
our wall clock. Out: a `VantageHealth` and `HostDate`s for a slot's evidence, and events for the customers concerned.
For `cdn-probe vantage check`, `vantage_check.VantageCheck` gives a `core.vantage.report.PointLook`. No verdict.
"""
