"""Redirects: what the next request of a chain is, when two places are one, and when two chains are.

In: a request, its response and the cookies so far, or two chains of observations. Out: the next `Request` or the
`Failure` that ends the chain (`next_hop`), the cookies it carries (`cookies`), whether two places (`target`) or two
chains (`chain`) are the same.
"""
