"""`python -m probe` and the console script `cdn-probe`."""

from __future__ import annotations

from probe.cli.main import main

if __name__ == "__main__":
    main()
