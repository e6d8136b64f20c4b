"""What a response says about caches: how long it is fresh, and where it came from.

In: the fields of a response, names in lower case. Out: `Freshness` (RFC 9111, 5861, 9213; `freshness`,
`cache_control`, and the vendors' own fields in `vendor_lifetimes`), `CacheStatus` and `ProxyStatus` (RFC 9211, 9209;
`cache_status`, and the vendors' fields in `vendor_cache_status` by the table `vendor_fields`), and whether an old
version may still be served (`staleness`). The types are in `core.records.response`.
"""
