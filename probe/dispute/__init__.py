"""Dispute files: what one agent recorded in a span, with everything that proves it, in one file for two parties.

In: lines of one stream, signed heads, time stamps, evidence bundles, a public key (`contents.Contents`). `derived`
makes what follows from them (`page`, HAR, certificates, `dispute.json`), `container` makes one ZIP file of it all and
reads it within bounds, `selection` chooses which lines a span needs, `check` verifies a file with nothing but it and a
public key. Out: a file; problems by member. docs/proof.md says what it proves.
"""
