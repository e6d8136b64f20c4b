"""The HTTP versions that are spoken: each module is one, behind the interface of `probe.fetch.exchange`.

In: a carrier whose handshake is done, a request. Out: the final head, the body's bytes, and when they came.
"""
