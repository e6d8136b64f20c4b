"""Contracts as data.

In: the YAML of a profile (one contract kind) and of an agreement (one customer). Out: frozen models, and from them the
rules that `core/sla` counts by. The six profiles that are shipped lie in `profiles`; files are read elsewhere.
"""
