"""Incidents over copies, results directories and segments of many agents.

In: paths with lines, rules (`copies.CopyIncidents`). Out: incidents, and what there is to tell as lines come; with a
file of calls (`calling.Calling`) it is told, and what was delivered is kept beside in a file.
"""
