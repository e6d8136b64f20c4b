"""What a contract says, computed from files: verified records in, one report out.

In: an agreement's file, and copies, segments, results directories. Out: one report, a value, and that value
as text, JSON, CSV and HTML. Rows become facts, an engine adds facts up to grains (DuckDB with the extra `sla`, or plain
Python), and the pure functions of `probe.core.sla` decide. docs/sla.md says how each clause is computed.
"""
