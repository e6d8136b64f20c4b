"""How Sphinx makes the site of the documents: the Markdown of the checkout as it stands, nothing from elsewhere.

`make docs` builds it. Sphinx takes the checkout itself as its source, so that every link between documents, and from
them to a file, is the same on the disk and on the site. The contents at the side are read from docs/README.md: each
list below `## Every page` becomes a part of them, so that no second list has to be kept.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import download_reference
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
START = "docs/README"

project = "cdn-probe"
author = "cdn-probe"
release = version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.M)[1]
extensions = ["myst_parser"]
root_doc = START
include_patterns = ["*.md", "docs/**.md", "benchmarks/results/README.md", "results/README.md"]
exclude_patterns = [".*", "build", "dist", "probe", "tests", "results/*/**"]
suppress_warnings = [
    "myst.header"
]  # a decision may begin below its title; that headings do not jump is a test's

source_suffix = {".md": "markdown"}
myst_heading_anchors = 6
myst_enable_extensions: list[str] = []
highlight_language = "none"
pygments_style, pygments_dark_style = "tango", "monokai"

html_theme = "furo"
html_title = f"cdn-probe {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["extra"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_theme_options = {"top_of_page_buttons": []}


def setup(app: Sphinx) -> None:
    """What Sphinx calls first."""
    app.connect("source-read", _contents)
    app.connect("doctree-read", _diagrams)
    app.connect("doctree-resolved", _names_of_files)
    app.connect("html-page-context", _language)


def _contents(_app: Sphinx, name: str, source: list[str]) -> None:
    """Links to directories become links to the files in them, since a site has no directories. To the two pages that
    list others is appended what Sphinx calls a toctree.
    """
    place = (ROOT / name).parent
    source[0] = re.sub(r"\[([^]]+)\]\(([^)#:]+)\)", lambda link: _files(place, link), source[0])
    if _is_chinese(name):
        source[0] = _joined(source[0])
    if name == START:
        _, _, listed = source[0].partition("\n## Every page\n")
        parts = re.split(r"^### (.+)\n", listed, flags=re.M)[1:]
        for caption, text in zip(parts[::2], parts[1::2], strict=True):
            source[0] += _toctree(text, caption)
    elif name == "docs/decisions/README":
        source[0] += _toctree(source[0], "")


def _joined(text: str) -> str:
    """Chinese has no blanks between words: a line that goes on in the next one is joined without any."""
    return re.sub(r"(?<=[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef])\n *(?![\n|#>-]|```|\d+\. )", "", text)


def _files(place: Path, link: re.Match[str]) -> str:
    directory = place / link[2]
    if not directory.is_dir():
        return link[0]
    files = sorted(path.name for path in directory.iterdir() if path.is_file())
    assert files, f"{place}: nothing in {link[2]}"
    return f"{link[1]} ({', '.join(f'[{file}]({link[2]}/{file})' for file in files)})"


def _toctree(text: str, caption: str) -> str:
    pages = re.findall(r"\]\(([^)#]+)\.md\)", text)
    head = f":caption: {caption}\n" if caption else ""
    return (
        "\n\n```{toctree}\n:hidden:\n:maxdepth: 1\n"
        + head
        + "\n"
        + "\n".join(dict.fromkeys(pages))
        + "\n```\n"
    )


def _diagrams(_app: Sphinx, doctree: nodes.document) -> None:
    """A diagram is drawn by a script of forges that this site does not have: it is shown as it is written."""
    for block in doctree.findall(nodes.literal_block):
        if block.get("language") == "mermaid":
            block["language"] = "none"


def _names_of_files(_app: Sphinx, doctree: nodes.document, _name: str) -> None:
    """A link to a file of the checkout offers it under its own name."""
    for link in doctree.findall(download_reference):
        link["classes"] = [*link.get("classes", []), "file"]


def _language(app: Sphinx, name: str, _template: str, context: dict[str, Any], _tree: object) -> None:
    """Chinese pages say that they are: for screen readers, and for the shapes of characters."""
    context["language"] = "zh-CN" if _is_chinese(name) else "en"


def _is_chinese(name: str) -> bool:
    return name.startswith("docs/zh/") or name.endswith(".zh")
