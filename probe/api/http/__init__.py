"""Connections of the API: accepting, TLS, limits, compression, and problems (RFC 9457).

In: sockets. Out: requests for one handler (`protocol.HttpServer`), responses as the reader accepts them.
"""
