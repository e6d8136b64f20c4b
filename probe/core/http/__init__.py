"""HTTP without I/O: what the bytes of a response mean, and what may be concluded from its fields.

In: bytes in any pieces, or the fields of a record. Out: `head.Head` with its `Framing`, the body's content, the end
or a `head.HeadError` (`response_reader.ResponseReader`, made of `head.HeadScanner` and `chunked.ChunkDecoder`);
decoded content (`content_coding.Decoder`); findings on conditional requests and ranges (`conditional`, `ranges`).
Results depend on the bytes alone, not on how they were cut.
"""
