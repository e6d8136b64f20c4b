"""Incidents as they happen: rows and events, one after another -> what is wrong now, since when, and what is over.

In: `looks.Look`, made of a stored row or event. Intermediate: `tracker.Tracker`, whose state (`episode`) can be
written and read again. Out: `incident.Incident`, one value for stream, API, page and calls; `incident.Transition` when
it opens, changes or closes; `sentence` says it to people, `told` reads it back from a stream's events.
"""
