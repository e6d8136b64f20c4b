"""Pure decisions: values in, values out. Imports no I/O library and nothing of `probe.io`."""
