"""One response over HTTP/2, read without I/O (RFC 9113).

In: the bytes of a connection. Out: head, body, what is owed to the server, or a `HeadError` with its failure type.

    frames    bytes into frames; DATA as it comes               `FrameCutter`
    sections  HEADERS and CONTINUATION into field lines         `Sections`
    reader    what the frames are to one request                `Http2Reader`
"""
