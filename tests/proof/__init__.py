"""Sealing, signing, exporting and verifying results."""
