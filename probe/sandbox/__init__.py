"""Parsers of strangers' content, in a process that may die of it (decision 0013).

In: the bytes of a body and the declared rules by which to read it. `content_reader.ContentReader` asks in the agent
and starts the process again; `content_worker` is that process, without secrets, in bounded memory and time. Out:
what `core.content.reading` makes of the bytes.
"""
