"""Dispute files."""
