"""Rule: what was changed from the paper, what is ours and what is still blank stand together, a line each.

An agreement in words.
"""

from __future__ import annotations

from collections.abc import Iterator

from probe.cli.render.layout import Text, drawn
from probe.core.sla.contract.consistency import ways
from probe.sla.agreement_files import AgreementFile

COLUMNS = 80


def agreement_text(made: AgreementFile, columns: int = COLUMNS) -> str:
    """The whole of it. `columns`: fewer where it is read at a narrow terminal."""
    return drawn((Text(line) for line in _lines(made)), min(columns, COLUMNS))


def _lines(made: AgreementFile) -> Iterator[str]:
    agreed = made.agreed
    profile, agreement = agreed.profile, agreed.agreement
    word = f"{len(agreed.blank)} still to be agreed" if agreed.blank else "good"
    yield f"{made.file}: {word}. {agreement.agreement} of {agreement.customer}: {', '.join(agreement.domains)}"
    yield f"  {profile.title.en} ({profile.title.zh}), {profile.profile} version {profile.version}"
    yield f"  computed {' and '.join(ways(agreed))}; period {_period(made)}"
    for key, before, after in agreed.overridden:
        yield f"  agreed: {key} is {_shown(after)}" + (
            "" if before in (None, "required") else f", and {_shown(before)} in the profile"
        )
    for key in agreed.blank:
        yield f"  blank: {key} is still to be agreed; fill it in under overrides"
    if profile.ours:
        yield f"  readings that are ours and not the paper's: {', '.join(profile.ours)}"


def _period(made: AgreementFile) -> str:
    period = made.agreed.profile.period
    unit = period.unit.replace("_", " ")
    return f"{unit} in {period.time_zone}" + (
        "" if period.from_ is None else f", {period.from_} to {period.to}"
    )


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)
