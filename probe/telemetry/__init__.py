"""What the agent reports about itself: log and metrics.

In: log records, rows (`metrics.Metrics.row`), and a `core.results.live_state.LiveState` at the moment of asking. Out:
log lines on standard error (`logs`; `log_sink.LogSink` never holds up a measurement), and the metrics as text for
Prometheus (`Metrics.text`, with the state's by `state_metrics.StateCollector`), their series bounded by
`metric_labels.Pairs`. No secrets, no bodies.
"""
