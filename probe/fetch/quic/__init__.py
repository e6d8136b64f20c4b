"""One HTTP/3 request on one fresh QUIC connection, over a UDP socket of the vantage point's line.

In: a `FetchTarget`. Out: the head and body of the response, when its bytes came, the facts of the connection. Packets,
loss recovery and TLS messages are qh3's (the extra `http3`), used without its I/O; sockets, times, certificates, limits
and what counts as a failure are ours (docs/decisions/0033).

    library     what is used of qh3's connections                         `make`, `Quic`
    hellos      the groups that we offer, an answer to HelloRetryRequest  `offer`
    datagrams   a connected UDP socket, and when each datagram came       `Datagrams`
    closing     how a connection ended -> a type of failure               `peer_closed`, `we_closed`
    transport   datagrams and timers in and out of qh3                    `QuicTransport`
    carrier     the connection that a fetch sees                          `QuicCarrier`
"""
