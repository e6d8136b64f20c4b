"""pages.py SHARE: writes SHARE/man/man1/*.1.gz and completion for bash, zsh and fish, all from the commands' own help.

Needs click-man (requirements-dev.lock). The date in the man pages is SOURCE_DATE_EPOCH's, so that two builds agree.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
from pathlib import Path

from click.shell_completion import get_completion_class
from click_man.core import write_man_pages

from probe import __version__
from probe.cli.main import cli

NAME = "cdn-probe"
PLACES = {
    "bash": f"bash-completion/completions/{NAME}",
    "zsh": f"zsh/vendor-completions/_{NAME}",
    "fish": f"fish/vendor_completions.d/{NAME}.fish",
}


def main(share: Path) -> None:
    """All pages below `share`."""
    manual = share / "man" / "man1"
    manual.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        write_man_pages(NAME, cli, version=__version__, target_dir=directory)
        for page in sorted(Path(directory).iterdir()):
            text = page.read_text(encoding="utf-8").rstrip() + "\n"
            (manual / f"{page.name}.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    for shell, place in PLACES.items():
        maker = get_completion_class(shell)
        assert maker is not None, shell
        file = share / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(maker(cli, {}, NAME, "_CDN_PROBE_COMPLETE").source(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
