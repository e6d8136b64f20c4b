"""A whole small CDN on loopback, with faults on demand: for the demo and the tests."""
