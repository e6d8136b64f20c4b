"""Time stamps by a third party (RFC 3161): an authority vouches that a signed head existed when it says.

In: signed heads, the address of a time-stamping authority, the certificates that it is trusted by. `authority` asks it,
`tokens` verifies what it answers, `files` keeps it, `stamper` does all this on schedule. Out: stamps
(`core.proof.stamp`) in `<results>/<customer>/<agent>.stamps.ndjson`. Needs the extra `stamps`; docs/proof.md says what
it proves.
"""
