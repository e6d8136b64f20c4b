"""What happens to parts beside writing: check, salvage, retention, upgrade. Each waits for the disk.

In: a part (`base.parts.Part`), closed or, before the writer opens it, the newest. Out: what is wrong with it (`check`);
in its place one with fewer rows (`retention.thin`, by `rewrite`), or with what the digests prove of a damaged one
(`salvage`). `upgrade` carries a whole results directory over from the first layout. A line is here a record's JSON
text; its digest stands in the next line, as `previous`.
"""
