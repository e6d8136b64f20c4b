"""The servers of the lab: resolvers, origins, edges, anchors, each on its own loopback address.

In: addresses and ports, the `zones.Zones` and `world` that they serve, TLS contexts. Out: listening servers whose
attributes a fault can change, with logs of what they were asked. Errors: `listener.LabError`.
"""
