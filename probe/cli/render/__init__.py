"""Values as text for people. In: records, states and reports of `core` and `services`. Out: rich tables and text.

Reads values, decides nothing, asks nobody. `terminal` is the console itself.
"""
