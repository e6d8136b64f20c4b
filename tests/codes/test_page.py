"""docs/verdicts.md has every code and no other, the faults that slots were seen to have, and the sentences of rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from probe.core.records.failure import FailureType
from probe.core.records.verdict import Fault, Outcome
from probe.core.verdict import summary
from tests.codes.closed_list import missed, reasons, stands_for, whole
from tests.codes.collecting import ROOT
from tests.codes.page import NOBODY, ONLY_FAILURES, PAGE, names, rows, whole_page
from tests.codes.slots import SLOTS
from tests.support.hostile import CASES
from tests.support.reply_cases import REPLY_CASES
from tests.support.suspects import SUSPECTS

Known = tuple[str, str | None, str | None]


def test_every_code_is_there_once_and_no_other() -> None:
    counted = Counter(row.code for row in rows())
    assert counted.keys() - whole() == set(), "no codes of the list"
    assert whole() - counted.keys() == set(), "codes that the page lacks"
    assert [code for code, number in counted.items() if number > 1] == []


def test_every_row_says_what_is_seen_and_whose_fault() -> None:
    known = {NOBODY, *(fault.value for fault in Fault)}
    for row in rows():
        assert row.seen, row
        assert row.faults, row
        assert set(row.faults) <= known, row
        assert row.counted, row


def test_outcomes_and_faults_are_all_there() -> None:
    assert set(names("Outcomes")) == {outcome.value for outcome in Outcome}
    assert set(names("Faults")) == {fault.value for fault in Fault}


def test_whom_the_page_names_is_whom_rows_name() -> None:
    """In recorded slots and in those that tests measure: no row names anybody whom the page does not."""
    page = {row.code: row.faults for row in rows()}
    strangers = {
        (fault, reason)
        for _, fault, reason in seen()
        if reason is not None and (fault or NOBODY) not in page[stands_for(reason)]
    }
    assert strangers == set()


def seen() -> Iterator[Known]:
    """Outcome, fault and reason of verdicts and of every finding beside them."""
    for file in (ROOT / "tests" / "replay").glob("*/case.json"):
        row = json.loads(file.read_text(encoding="utf-8"))["record"]
        for found in (row, *row["findings"]):
            yield found["outcome"], found["fault"], found["reason"]
    for listed in (CASES, REPLY_CASES, SUSPECTS, SLOTS):
        yield from (case.expected for case in listed.values())


def test_the_sentences_are_those_of_rows() -> None:
    assert PAGE.read_text(encoding="utf-8") == whole_page(), "python -m tests.codes.write"


def test_no_sentence_is_a_bare_code() -> None:
    """What a verdict can name has words for people."""
    worded = {*summary._FAILURES, *summary._WHOLE_SLOT}
    named = {row.code for row in rows() if row.faults != (NOBODY,)} - missed()
    assert {kind.value for kind in FailureType} - worded - ONLY_FAILURES == set()
    assert {code for code in named & reasons() if "<" not in code} - worded == set()
