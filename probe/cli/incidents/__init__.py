"""`cdn-probe incidents`: what is in trouble, of this agent or over copies of many agents.

In: what was typed. Out: text or JSON, an exit code.
"""
