"""Agreements and profiles as files: read within bounds, every problem with its place."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from probe.core.sla.contract.consistency import inconsistencies
from probe.core.sla.contract.load import Agreed, agreed, problem_at, read_agreement
from probe.core.syntax.problem import ConfigError, Problem

MOST_BYTES = 8 * 1024 * 1024
_SHIPPED = resources.files("probe.core.sla.contract") / "profiles"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementFile:
    """What was agreed, and what it was read from: digests are SHA-256 of the files' bytes."""

    agreed: Agreed
    file: str
    digest: str
    profile_file: str
    profile_digest: str


def shipped_profiles() -> tuple[str, ...]:
    """The names of those that come with the program."""
    return tuple(sorted(file.name.removesuffix(".yaml") for file in _SHIPPED.iterdir()))


def load_agreement(file: Path, profile: Path | None = None) -> AgreementFile:
    """Read an agreement and the profile that it names, or the one in `profile`. Raises ConfigError, OSError."""
    text = _text(file)
    agreement, document = read_agreement(text, str(file))
    name = agreement.profile
    if profile is None and name not in shipped_profiles():
        words = f"no profile {name} is shipped: there are {', '.join(shipped_profiles())}"
        raise ConfigError([problem_at(("profile",), words, str(file), document)])
    profile_file = f"{name}.yaml" if profile is None else str(profile)
    profile_text = (
        (_SHIPPED / profile_file).read_text(encoding="utf-8") if profile is None else _text(profile)
    )
    made = agreed(profile_text, profile_file, agreement, str(file), document)
    problems = inconsistencies(made, str(file), document)
    for one in made.profile.criteria:
        if one.profile not in (None, *shipped_profiles()):
            words = f"{one.name} names the profile {one.profile}: there are {', '.join(shipped_profiles())}"
            problems.append(problem_at(("overrides", "criteria"), words, str(file), document))
    if problems:
        raise ConfigError(problems)
    return AgreementFile(
        agreed=made,
        file=str(file),
        digest=_digest(text),
        profile_file=profile_file,
        profile_digest=_digest(profile_text),
    )


def over_the_same_span(of: Agreed, profile: str) -> Agreed:
    """Another shipped contract, over the span of an acceptance that names it. Raises ConfigError."""
    period = of.profile.period
    span = {"unit": "span", "from": period.from_, "to": period.to, "partial": "judged"}
    agreement = of.agreement.model_copy(
        update={"profile": profile, "overrides": {"period": span}, "exclusions": ()}
    )
    text = (_SHIPPED / f"{profile}.yaml").read_text(encoding="utf-8")
    return agreed(text, f"{profile}.yaml", agreement, f"{profile}.yaml")


def _text(file: Path) -> str:
    with open(file, "rb") as opened:
        data = opened.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ConfigError([Problem(str(file), 0, 0, f"larger than {MOST_BYTES} bytes: no agreement is")])
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(file), 0, 0, f"not UTF-8: {error}")]) from None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
