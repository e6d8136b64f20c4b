"""The proof that results are whole: digests, signed heads, manifests, and their verification. Pure.

In: the lines of one stream in order, byte for byte, and signed heads with their keys already checked. `chain` defines
the digest of a line and the head of a stream; `signed_head` and `manifest` what is signed; `signers.KnownHeads`
collects what is known of a stream's lines from elsewhere; `gaps` the spans that were removed and declared.
`verify.Check` takes the lines. Out: `findings.StreamReport`, with each `findings.Problem` named by record, file and
line. docs/proof.md says what it proves.
"""
