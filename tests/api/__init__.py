"""Tests of the API for pulling results."""
