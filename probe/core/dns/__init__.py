"""DNS messages, the walk along the aliases, and whose zone failed. Pure: who sends is `probe.resolver`.

In: bytes from the network, and answers to the questions that the walk asks. `message` (and, for plain responses, the
faster `plain_message`) turns bytes into a `message.Reply`; `edns` reads its options. `chain.ChainWalk` takes answers
and names the next question until it has an end. Out: `core.records.dns.Resolution`; for several resolvers, their
answers compared (`answers`); after a failure, the zone's apex (`zone_cut`) and who publishes it (`fault_zone`). Terms
of RFC 9499.
"""
