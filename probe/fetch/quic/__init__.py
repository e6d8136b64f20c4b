"""One HTTP/3 request on one fresh QUIC connection, over a UDP socket of the vantage point's line.

In: a `FetchTarget`. Out: the head and body of the response, when its bytes came, the facts of the connection. Packets,
loss recovery and TLS messages are qh3's (the extra `http3`), used without its I/O; sockets, times, certificates, limits
and what counts as a failure are ours (docs/decisions/0033).

    library     all that is used of qh3                                   `installed_problem`, `Quic`
    datagrams   a connected UDP socket, and when each datagram came       `Datagrams`
    closing     how a connection ended -> a type of failure               `peer_closed`, `we_closed`
    transport   datagrams and timers in and out of qh3                    `QuicTransport`
    response    HTTP/3 frames -> head and body                            `ResponseStream`
    exchange    the connection and the exchange that a fetch sees         `QuicConnection`, `Http3Exchange`
"""
