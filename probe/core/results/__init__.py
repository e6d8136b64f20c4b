"""What is made of rows: new rows for slots, columns, coverage, reports, evidence.

In: `SlotRecord` and `EventRecord`. Out: rows for slots measured or missed (`rows`), columns of exports (`columns`),
coverage of a period (`coverage`), the live state and what concerns an operator (`live_state`, `concerns`), what
retention removes (`retention`), evidence bundles (`bundle`) and HAR 1.2 documents (`har`).
"""
