"""The page, served: who may look at what of it, from a token typed once to the bytes of one row.

In: requests that ask for a page. Out: HTML of `probe.page`, fed by `feed` as rows come; `sessions` says who looks.
"""
