"""Sockets, transports and the event loop: bytes to and from the network, and exactly when they came.

In: a vantage point's line (source address, interface, namespace) and a protocol that takes bytes. Out: connected
sockets (`line`, `netns`), bytes with or without TLS (`transport.Transport`, `tls_transport.TlsTransport`), the times
of a fetch (`stopwatch.Stopwatch`) with the bounds of their error (`arrival_bounds.BoundedTime`), what the kernel
knows of a connection (`tcp_info`, `kernel_timestamps`), and foreign exceptions as our failures
(`failures.failure_of`). Beneath it all is an event loop whose polls are dated (`event_loop.DatedLoop`, `run_queue`).
Nothing here knows HTTP.
"""
