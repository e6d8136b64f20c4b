"""Chinese pages say what the English ones say: the same headings, commands, figures, codes, rows and links.

Words cannot be compared; whatever a machine can hold beside the original is. The Chinese is for people who know the
contracts, so it must not fall back into English.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.documents.markdown import ROOT, Page, read

PAIRS = {
    ROOT / "README.zh.md": ROOT / "README.md",
    ROOT / "docs" / "zh" / "sla.md": ROOT / "docs" / "sla.md",
    ROOT / "docs" / "zh" / "verdicts.md": ROOT / "docs" / "verdicts.md",
}
GLOSSARY = ROOT / "docs" / "zh" / "glossary.md"
SPELLED = dict(
    zip(
        "one two three four five six seven eight nine ten eleven twelve".split(),  # noqa: SIM905
        map(str, range(1, 13)),
        strict=True,
    )
)
# Sentences that the program prints in English: the Chinese page names the page that has them.
ONLY_ENGLISH = "Sentences"
pairs = pytest.mark.parametrize(("chinese", "english"), PAIRS.items(), ids=lambda path: path.name)


def _prose(path: Path) -> str:
    """The page without blocks of code and without the table that is English alone."""
    text = path.read_text(encoding="utf-8")
    if path in PAIRS.values():
        text = re.sub(rf"^(## {ONLY_ENGLISH}\n.*?)^\|.*?(?=^## |\Z)", r"\1", text, flags=re.M | re.S)
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def _codes(path: Path) -> set[str]:
    return {code.strip() for code in re.findall(r"`([^`\n]+)`", _prose(path))}


def _figures(path: Path) -> set[str]:
    """Every number in running text and tables that is in neither code nor a link's address."""
    text = re.sub(r"`[^`\n]+`|\]\([^)]*\)", " ", _prose(path))
    numbers = re.findall(r"\d+(?:[.,]\d+)*", re.sub(r"^\d\. ", "", text, flags=re.M))
    return {number.replace(",", "") for number in numbers}


def _commands(page: Page) -> list[list[str]]:
    """Each block of code, line by line, without what a comment says."""
    return [[re.sub(r"\s+#(?=\s).*|^#.*", "", line) for line in text.splitlines()] for _, text in page.blocks]


def _targets(path: Path) -> set[Path]:
    """Where links lead, a Chinese page standing for its original."""
    found = set()
    for link in read(path).links:
        parts = urlsplit(link.target)
        if not parts.scheme and parts.path:
            target = (path.parent / parts.path).resolve()
            found.add(PAIRS.get(target, target))
    return found


@pairs
def test_the_same_headings(chinese: Path, english: Path) -> None:
    assert [h.level for h in read(chinese).headings] == [h.level for h in read(english).headings]


@pairs
def test_the_same_commands(chinese: Path, english: Path) -> None:
    assert _commands(read(chinese)) == _commands(read(english))


@pairs
def test_the_same_code_in_running_text(chinese: Path, english: Path) -> None:
    assert _codes(chinese) == _codes(english)


@pairs
def test_the_same_figures(chinese: Path, english: Path) -> None:
    ours, theirs = _figures(chinese), _figures(english)
    words = set(re.findall(r"[a-z]+", _prose(english).lower()))
    spelled = {SPELLED[word] for word in words if word in SPELLED}
    assert sorted(theirs - ours) == []
    assert sorted(ours - theirs - spelled) == []


@pairs
def test_the_same_rows(chinese: Path, english: Path) -> None:
    def firsts(path: Path) -> list[str]:
        section = ""
        found = []
        for line in _prose(path).splitlines():
            if line.startswith("#"):
                section = line
            elif line.startswith("| `") and section:
                found.append(line.split("|")[1].strip())
        return found

    assert firsts(chinese) == firsts(english)
    assert len(_prose(chinese).split("\n|")) == len(_prose(english).split("\n|"))


@pairs
def test_the_same_links(chinese: Path, english: Path) -> None:
    beside = {GLOSSARY, english}
    assert _targets(chinese) - beside - set(PAIRS.values()) == _targets(english) - beside - set(
        PAIRS.values()
    )
    assert english in {PAIRS.get(target, target) for target in _targets(chinese)}, "it names its original"


@pytest.mark.parametrize("chinese", [*PAIRS, GLOSSARY], ids=lambda path: path.name)
def test_it_is_chinese(chinese: Path) -> None:
    left = []
    for line in _prose(chinese).splitlines():
        words = re.sub(r"`[^`]+`|\]\([^)]*\)|\*", " ", line)
        if not line.startswith("|") or chinese != GLOSSARY:
            left += re.findall(r"(?:\b[A-Za-z]{2,}\b[ ,.]+){5,}", words)
    assert not left
    assert len(re.findall(r"[\u4e00-\u9fff]", _prose(chinese))) > 600


def test_every_verdict_code_is_in_chinese_with_faults_and_counted_as_in_english() -> None:
    def table(path: Path) -> dict[str, tuple[str, str]]:
        kinds = {"服务中断": "interruption", "超长缓存": "over-long", "配置": "settings", "服务故障": "fault"}
        rows = [row for row in read(path).rows if len(row) == 5 and row[0].startswith("`")]
        found = {}
        for row in rows:
            counted = row[4]
            for zh, en in kinds.items():
                counted = counted.replace(zh, en)
            found[row[0]] = (row[2], counted)
        return found

    chinese, english = (table(ROOT / "docs" / place) for place in ("zh/verdicts.md", "verdicts.md"))
    assert len(english) > 140
    assert chinese == english


def test_terms_of_contracts_are_those_that_reports_use() -> None:
    """The words of a report and of the page stand in the list of terms too."""
    from probe.core.sla.report.words import VERDICTS

    text = GLOSSARY.read_text(encoding="utf-8")
    assert [words.zh for words in VERDICTS.values() if words.zh not in text] == []


def test_every_term_has_its_chinese() -> None:
    rows = [row for row in read(GLOSSARY).rows if row[0] != "英文"]
    assert len(rows) > 70
    for english, chinese, _ in rows:
        assert re.search(r"[a-z]", english), english
        assert re.search(r"[\u4e00-\u9fff]", chinese), english
    terms = [row[0] for row in rows]
    assert len(terms) == len(set(terms))
