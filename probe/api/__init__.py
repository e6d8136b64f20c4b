"""The API for pulling results: served by a process of its own that reads the store and never writes to it."""
