"""copyright.py HOME: prints the package's copyright file (DEP-5), for the agent and each library in HOME's environment.

A library's licence is what its own metadata names; its text lies in the package, in the library's *.dist-info.
"""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

HEAD = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: cdn-probe

Files: *
Copyright: 2026 The cdn-probe developers
License: Apache-2.0
 On Debian systems the full text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
"""


def main(home: Path) -> None:
    """The file, on standard output."""
    (packages,) = home.glob("lib/python3.*/site-packages")
    print(HEAD, end="")
    for found in sorted(distributions(path=[str(packages)]), key=lambda d: d.name.lower()):
        if found.name != "cdn-probe":
            print(_stanza(found, packages.relative_to(home)))


def _stanza(found: Distribution, place: Path) -> str:
    parts = sorted({str(file).split("/")[0] for file in found.files or () if not str(file).startswith("..")})
    files = " ".join(
        f"usr/lib/cdn-probe/{place}/{part}*" for part in parts if not part.endswith(".dist-info")
    )
    author = found.metadata["Author"] or found.metadata["Author-email"] or found.metadata["Maintainer-email"]
    holder = " ".join((author or f"The authors of {found.name}").split())
    texts = f" Its text: usr/lib/cdn-probe/{place}/{found.name}-{found.version}.dist-info"
    return f"\nFiles: {files}\nCopyright: {holder}\nLicense: {_licence(found)}\n{texts}"


def _licence(found: Distribution) -> str:
    """A short name: of the metadata's expression, its classifier, or its first line."""
    stated = found.metadata["License-Expression"]
    classified = [
        c.rpartition(" :: ")[2]
        for c in found.metadata.get_all("Classifier", [])
        if c.startswith("License ::")
    ]
    named = stated or ", ".join(classified) or (found.metadata["License"] or "see its text").splitlines()[0]
    return named.replace(" ", "-") if not stated else named


if __name__ == "__main__":
    main(Path(sys.argv[1]))
