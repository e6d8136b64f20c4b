"""What happens to closed parts: check, salvage, retention, upgrade.

In: a part (`base.parts.Part`). Out: the part verified (`check`), replaced by one with fewer rows (`retention`,
`rewrite`), saved from damage as far as its digests prove it (`salvage`), or carried over from an earlier layout
(`upgrade`).
"""
