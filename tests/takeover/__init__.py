"""An agent of today on the results of version 0.1, while a puller reads them: `python -m tests.takeover`."""
