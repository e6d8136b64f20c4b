"""The control socket: how a running agent is asked how it is.

In: a question, one JSON object on one line, over a Unix socket in the results directory. Out: one JSON object.
`server` answers in the agent (`ControlServer`), `client` asks (`ask`, `ask_async`), `socket_place` makes the socket
with its final mode and finds it. Errors: ControlError, NotRunning.
"""
