"""Breaches of HTTP/1.1: what was sent, what clients make of it, what we say, in one table."""
