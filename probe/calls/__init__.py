"""Tells Alertmanagers and webhooks of incidents.

In: a `core.calls.queue.CallQueue` with what there is to tell. Out: requests (`sender.HttpSender`), one after another to
each target (`caller.Caller`), and what became of them as `core.calls.queue.Told`.
"""
