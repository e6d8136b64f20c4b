"""Parsers of untrusted content, in a child process whose death harms nothing (decision 0013).

In: the bytes of a body and the declared rules by which to read it. `content_reader.ContentReader` sends requests from
the agent and restarts the process; `content_worker` is that process, without secrets, in bounded memory and time.
Out: what `core.content.reading` makes of the bytes.
"""
