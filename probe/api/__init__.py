"""The API for pulling results, served by a process of its own that reads the store and never writes to it.

In: HTTP requests, each with a token; the results directory. Out: pages of stored lines, signed heads, sums, problems
(RFC 9457). `process` runs it as a child of the agent, `server` wires it, `app` admits a request and calls its handler,
`routes` is the table of paths; `handlers` has one module a resource, `request` what they are given, `http` the
connections. What a reader confirms is kept beside the store (`store.acks`).
"""
