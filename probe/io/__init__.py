"""All input and output. Knows `probe.core`, never `probe.checks`."""
