"""One HTTP request on one fresh connection, and everything that can be observed of it.

In: a `target.FetchTarget` (address, request, TLS policy, deadlines, limits, vantage point). Out: an `Observation`;
nothing is raised but cancellation.

    fetcher     the public face: secrets, address policy, proxies      `Fetcher`, `HttpFetcher`
    attempt     the order of the steps, deadlines, the record          `Attempt`
    connection  TCP, TLS, dates of bytes, the end; no HTTP              `Connection`
    exchange    what an HTTP version must do, and the tables of them    `Carrier`, `CARRIERS`, `Exchange`, `EXCHANGES`
    versions    HTTP/1.1 and others: request, response, body            `Http1Exchange`
    body        sizes, digests, decoded content                        `Body`

Another HTTP version: see `exchange`.
`connector` and `proxy` make the connected sockets, `request_fields` and `response` translate between records and HTTP,
`redirects` follows hop by hop.
"""
