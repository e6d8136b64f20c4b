"""Renew what test_interface.py compares: `python -m tests.interface.write`, then read the difference."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.interface.current import HERE, snapshots


def main() -> None:
    """Write every snapshot anew."""
    with tempfile.TemporaryDirectory() as directory:
        for name, text in snapshots(Path(directory)).items():
            (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
