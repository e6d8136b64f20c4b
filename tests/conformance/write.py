"""Write docs/conformance.md anew: `python -m tests.conformance.write`."""

from __future__ import annotations

from tests.conformance.document import PAGE, document

if __name__ == "__main__":
    PAGE.write_text(document(), encoding="utf-8")
