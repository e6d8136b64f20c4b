"""A plan beside a run: what `cdn-probe plan` says, and what the lab's servers and the disk then see."""
