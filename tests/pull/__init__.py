"""Pulling results and reading the copy."""
