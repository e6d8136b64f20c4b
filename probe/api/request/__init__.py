"""What a handler is given: the caller, the parameters, and access to the results.

In: a request that aiohttp parsed. Out: a `calls.Call` with the `auth.Caller` and validated `params`; `queries` on the
store in threads of `reading.Readers`. Errors: `http.problem.Refused`.
"""
