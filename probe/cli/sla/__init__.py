"""The commands below `cdn-probe sla`: what was typed is taken apart here; work is done in `probe.sla`."""
