"""From the evidence of a slot to its verdict: what is off, whose fault it is, and what that rests on. Pure.

In: a `Task` and its `Evidence`. Intermediate: symptoms (`symptoms`, the checks), what other observations say of them
(`corroboration`), the fault of each (`attribution`). Out: `core.records.verdict.Verdict` (`judge`), with the
observations it rests on (`basis`) and its sentence for people (`summary`).
"""
