"""Look-ups: a name in, a `Resolution` with every message sent on record out; nothing raised, nothing cached.

In: a name, a `VantagePoint` with its `ResolverSpec`s, the slot's start (ns, monotonic) and a deadline (us).
Between: `Lookups` (what a slot needs; literals, and names left to a proxy, end here) > `Resolver` (which resolvers, in
which order) > `ResolverWalk` (one resolver: alias chain, repeats) > `Transport` (one message over udp, tcp, tls or
https) > `Reply`, or `ExchangeError` with a `Failure`; each message sent is a `DnsQuery`.
Out: `Resolution` with addresses or one `Failure`, of phase dns (the resolver's, a zone's) or host (ours).
"""
