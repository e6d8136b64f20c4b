"""Rule: the same evidence always gives the same verdict, and each verdict names what it rests on.

Evidence -> Verdict. The checks say what is off (`symptoms`), the attribution rules whose fault each symptom is,
and the gravest finding becomes the slot's verdict; the others stay beside it. No I/O, no clock.
"""

from __future__ import annotations

from probe.core.content.check_kind import Kinds, Symptom, SymptomKind
from probe.core.content.origin_standing import considered
from probe.core.model.task import Task
from probe.core.model.times import epoch_s
from probe.core.model.value import replace
from probe.core.records.verdict import Evidence, Finding, Outcome, Severity, Verdict, gravity
from probe.core.verdict.attribution import Blame, attribute
from probe.core.verdict.corroboration import Corroboration
from probe.core.verdict.summary import summarise
from probe.core.verdict.symptoms import examine


def judge(
    task: Task, evidence: Evidence, kinds: Kinds, symptoms: tuple[Symptom, ...] | None = None
) -> Verdict:
    """The verdict on one slot (design: the verdict table). `kinds` is the table of checks.

    `symptoms`: what `examine` found in this very evidence, where that is known already.
    """
    task, evidence, places = considered(task, evidence)
    if symptoms is None or places is not None:
        symptoms = examine(task, evidence, kinds)
    verdict = _judged(task, evidence, symptoms, mute_origin=places is not None)
    return verdict if places is None else _placed(verdict, places)


def _judged(task: Task, evidence: Evidence, symptoms: tuple[Symptom, ...], *, mute_origin: bool) -> Verdict:
    corroboration = Corroboration(task, evidence)
    alias_changed = any(symptom.kind is SymptomKind.ALIAS for symptom in symptoms)
    findings = tuple(_finding(s, corroboration, alias_changed=alias_changed) for s in symptoms)
    gravest = max(findings, key=gravity, default=None)
    if gravest is None or gravest.outcome is Outcome.OK:
        return Verdict(
            outcome=Outcome.OK,
            fault=None,
            reason=None,
            confirmed=None,
            findings=findings,
            summary=summarise(None, task, corroboration, notes=findings),
        )
    return Verdict(
        outcome=gravest.outcome,
        fault=gravest.fault,
        reason=gravest.reason,
        confirmed=_confirmed(gravest, findings),
        findings=findings,
        summary=summarise(gravest, task, corroboration.along(gravest.observation), mute_origin=mute_origin),
    )


def _placed(verdict: Verdict, places: tuple[int, ...]) -> Verdict:
    """With the places of observations among all that were made, not among those that were considered."""
    return replace(
        verdict,
        findings=tuple(
            f if f.observation is None else replace(f, observation=places[f.observation])
            for f in verdict.findings
        ),
    )


def _finding(symptom: Symptom, corroboration: Corroboration, *, alias_changed: bool) -> Finding:
    blame: Blame = attribute(symptom, corroboration, alias_changed=alias_changed)
    index = symptom.observation
    return Finding(
        check=symptom.check,
        reason=blame.reason,
        severity=_severity(blame.outcome, warning=symptom.warning),
        outcome=blame.outcome,
        fault=blame.fault,
        observation=index,
        address=None if index is None else corroboration.evidence.observations[index].address,
        confirmed=corroboration.confirmed(index) if symptom.again is None else symptom.again,
        detail=_detail(symptom, blame),
    )


def _detail(symptom: Symptom, blame: Blame) -> str | None:
    """Keep what was seen where the reason now says whose fault it is."""
    if symptom.reason == blame.reason:
        return symptom.detail
    return f"seen: {symptom.reason}" + (f", {symptom.detail}" if symptom.detail else "")


def _severity(outcome: Outcome, *, warning: bool) -> Severity:
    if outcome is Outcome.FAILED:
        return Severity.ERROR
    return Severity.INFO if outcome is Outcome.OK and not warning else Severity.WARNING


def _confirmed(gravest: Finding, findings: tuple[Finding, ...]) -> bool | None:
    """True if any edge that suffers from the same was seen to suffer twice."""
    same = [f.confirmed for f in findings if (f.outcome, f.fault) == (gravest.outcome, gravest.fault)]
    if any(same):
        return True
    return False if False in same else None


def exclusions_at(task: Task, scheduled_at: str) -> tuple[str, ...]:
    """Reasons declared for this moment: tags beside the verdict, which they never change."""
    moment = epoch_s(scheduled_at)
    return tuple(e.reason for e in task.exclusions if epoch_s(e.start) <= moment < epoch_s(e.end))
