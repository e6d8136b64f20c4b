"""From subjects to the report: the contract as it was agreed, and the gravest of all words as an exit code."""

from __future__ import annotations

from collections.abc import Iterable

from probe.core.sla.contract.load import Agreed
from probe.core.sla.credits import exact_money
from probe.core.sla.figures import Word
from probe.core.sla.report.values import Clause, Contract, Override, Subject, Words

KEPT, BREACH, COULD_NOT, NOT_DECIDED = 0, 1, 2, 3
_GRAVITY = (KEPT, NOT_DECIDED, BREACH, COULD_NOT)
_CODES = {Word.KEPT_SHOWN: KEPT, Word.BREACH_SHOWN: BREACH, Word.NOT_DECIDED: NOT_DECIDED}


def code_of(subjects: Iterable[Subject]) -> int:
    """The gravest of several: not computed, breach shown, not decided, kept. Without any: not computed."""
    codes = [_CODES[subject.word] for subject in subjects]
    return max(codes, key=_GRAVITY.index, default=COULD_NOT)


def contract_shown(agreed: Agreed, agreement_digest: str, profile_digest: str) -> Contract:
    """What was agreed, with each override and each reading of ours."""
    profile, agreement = agreed.profile, agreed.agreement
    return Contract(
        agreement=agreement.agreement,
        agreement_digest=agreement_digest,
        customer=agreement.customer,
        profile=profile.profile,
        profile_version=profile.version,
        profile_digest=profile_digest,
        title=Words(en=profile.title.en, zh=profile.title.zh),
        clauses=tuple(
            Clause(
                words=Words(en=clause.en, zh=clause.zh),
                keys=clause.of,
                ours=tuple(key for key in profile.ours if any(_within(key, of) for of in clause.of)),
            )
            for clause in profile.clauses
        ),
        ours=profile.ours,
        overrides=tuple(
            Override(key=key, profile=None if before is None else _text(before), agreed=_text(after))
            for key, before, after in agreed.overridden
        ),
        currency=None if agreement.fee is None else agreement.fee.currency,
        fee=None if agreement.fee is None else exact_money(agreement.fee.amount),
    )


def not_computed(agreed: Agreed) -> tuple[Words, ...]:
    """What the contract speaks of and this version does not compute, or nobody sees from outside."""
    profile = agreed.profile
    line = any(one.carrier_line is not None for one in profile.not_unavailable)
    stale = any(one.when == "overlong_cache_agreed" for one in profile.not_unavailable)
    deadlines, agreement = profile.deadlines, agreed.agreement
    told = (
        (
            profile.node_down is not None and agreement.traffic is None,
            "requests of others lost to a dead node: no traffic file is given, and our own that failed stand for them",
            "节点不可用导致的他人失败请求:未提供流量文件, 仅计我方失败请求",
        ),
        (
            (deadlines.response or deadlines.first_notice) is not None and not agreement.incidents,
            "deadlines of answers to incidents: no incident is declared",
            "故障响应时限:未申报任何故障",
        ),
        (
            deadlines.complaint_report is not None and not agreement.complaints,
            "the deadline of reports on complaints: no complaint is declared",
            "投诉答复时限:未申报任何投诉",
        ),
        (
            stale and not agreed.agreement.overlong_cache_agreed,
            "over-long caching as unavailability: it is told apart and never counted, though this agreement does not"
            " say that both sides agreed on that (overlong_cache_agreed)",
            "超长缓存是否算不可用:另列且不计入, 但本协议未写明双方同意 (overlong_cache_agreed)",
        ),
        (
            profile.surge is not None and not agreed.agreement.surges,
            "response time under a surge: none is declared, and bandwidth is not seen from outside",
            "带宽突增时的响应时间:未申报突增, 外部无法观测带宽",
        ),
        (
            line,
            "fail-over time of a carrier's line that was cut: not seen from outside, to be declared",
            "运营商线路中断的切换时间:外部无法观测, 须申报",
        ),
        (
            bool(profile.bandwidth),
            "use of bandwidth, and loss: no counters of a link are seen",
            "带宽使用与丢包:无链路计数",
        ),
    )
    return tuple(Words(en=en, zh=zh) for applies, en, zh in told if applies)


def _within(key: str, other: str) -> bool:
    """Whether one of two keys holds the other."""
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
