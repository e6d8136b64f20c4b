"""The two proxy protocols as state machines without sockets.

In: the bytes that a proxy sent. Out: the bytes to send to it, and whether the tunnel is open (`dialogue.Dialogue`,
the interface of both). `connect.HttpConnect` speaks HTTP CONNECT (RFC 9110 section 9.3.6), `socks5.Socks5` speaks
SOCKS5 (RFC 1928, 1929). A proxy that refuses or makes no sense ends in `dialogue.ProxyError`, which names a failure
of the vantage point.
"""
