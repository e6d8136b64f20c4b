"""Kills aimed at the moments at which files change: first start, part turn, sealing, retention, upgrade, closing."""
