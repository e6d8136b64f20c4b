"""Calls: who is told of an incident, in which order and words, and what of it was delivered.

In: `core.incidents.incident.Transition`, and how an attempt to tell ended. Intermediate: `queue.CallQueue`, whose state
can be written and read again. Out: `queue.Delivery`, the next thing to send, as `messages` words it for an Alertmanager
or a webhook (`target.Target`); `queue.Told`, what the stream is to say of it.
"""
