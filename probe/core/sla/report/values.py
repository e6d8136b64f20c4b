"""Rule: the report is one value; whatever shows it adds nothing. Times are RFC 3339 in the contract's own zone.

Exact numbers are text: a share as `43155/43200`, money as `1000.00`. A percentage beside them is cut off, never rounded
up: 99.8999 % is not 99.9 %. Spans are in microseconds (`_us`). Absent is null.
"""

from __future__ import annotations

from probe.core.model.value import Value
from probe.core.sla.figures import Word

VERSION = 1


class Words(Value, frozen=True, kw_only=True):
    """The same in English and Chinese."""

    en: str
    zh: str


class Input(Value, frozen=True, kw_only=True):
    """One stream of one input, as it was verified. `last_digest`: of its last line, as the chain holds it.

    `signed_up_to`: of the newest signed head that fits. `key`: the id of the key that signed it. `heads`: how many
    were held against it. `witnessed`: whether a key came from elsewhere than from beside the files. `stamps`: by a
    third party; `vouched`: first and last record, not written earlier than, not later than. `problems`: where it was
    used in spite of them. `notes`: what else is to be known.
    """

    agent: str
    customer: str
    source: str
    records: int
    first_seq: int | None
    last_seq: int | None
    last_digest: str | None
    signed_up_to: int | None
    signed_at: str | None
    key: str | None
    heads: int
    witnessed: bool
    stamps: int = 0
    vouched: tuple[tuple[int, int, str | None, str | None], ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Override(Value, frozen=True, kw_only=True):
    """A key of the profile, what stood there, and what was agreed."""

    key: str
    profile: str | None
    agreed: str


class Clause(Value, frozen=True, kw_only=True):
    """A sentence of the paper, the keys that compute it, and those of them whose reading is ours."""

    words: Words
    keys: tuple[str, ...]
    ours: tuple[str, ...]


class Contract(Value, frozen=True, kw_only=True):
    """The profile and the agreement. Digests are SHA-256 of the files."""

    agreement: str
    agreement_digest: str
    customer: str
    profile: str
    profile_version: int
    profile_digest: str
    title: Words
    clauses: tuple[Clause, ...]
    ours: tuple[str, ...]
    overrides: tuple[Override, ...]
    currency: str | None = None
    fee: str | None = None


class Figure(Value, frozen=True, kw_only=True):
    """One view of a period: bad grains, time unavailable (in runs that are long enough), the share of good time."""

    view: str
    bad_grains: int
    unavailable_us: int
    availability: str
    percent: str
    met: bool


class RunShown(Value, frozen=True, kw_only=True):
    """Grains that are bad one after another. `counts`: whether it lasts long enough. `in_period_us`: what is counted.

    `rows`: some of the rows that show it (customer/seq), `more_rows` how many there are beside them.
    """

    view: str
    begin: str
    end: str
    grains: int
    in_period_us: int
    rows: tuple[str, ...]
    more_rows: int
    evidence: tuple[str, ...] = ()


class GrainsShown(Value, frozen=True, kw_only=True):
    """What was counted. `requests`, `errors`, `unknown_requests` in grains of the period; `due`, `measured`: slots."""

    length_us: int
    total: int
    excluded: int
    unknown: int
    requests: int
    errors: int
    unknown_requests: int
    clock_unsure: int
    due: int
    measured: int


class Resolution(Value, frozen=True, kw_only=True):
    """How much the samples can show. `per_grain`: requests of the median grain that has any.

    `no_error_shows`: the rate that a grain without any error shows at most (95 %); `wanted`: the requests of a grain
    that would show the contract's limit; `period_at_most`: the period's error rate at most, by all its requests.
    """

    per_grain: int
    no_error_shows: str
    wanted: int
    period_at_most: str
    least_errors: int


class Interval(Value, frozen=True, kw_only=True):
    """The period's error rate, and between which it lies (95 %), days drawn at random as whole blocks."""

    rate: str
    low: str
    high: str
    days: int


class Slice(Value, frozen=True, kw_only=True):
    """The same figures of a part: of a region, carrier, vantage point, node or object. It is never judged."""

    dimension: str
    name: str
    requests: int
    errors: int
    unknown_requests: int
    bad_grains: int
    unavailable_us: int
    shown_unavailable_us: int


class ExclusionShown(Value, frozen=True, kw_only=True):
    """A declaration. `refused`: why the contract does not admit it. `excluded_us`: what of the period it leaves out."""

    reason: str
    words: Words
    begin: str
    end: str
    source: str
    declared_at: str | None
    announced_at: str | None
    refused: str | None
    excluded_us: int


class IncidentShown(Value, frozen=True, kw_only=True):
    """One piece of trouble, as samples bound it. `at_most_us` null: nobody saw it well before, or after.

    `name`: by which `sla report --dispute` takes it. `records`: of which agent, the first and the last record of it.
    """

    begin_after: str | None
    first_failing: str
    first_confirmed: str | None
    last_failing: str
    over_by: str | None
    at_least_us: int
    at_most_us: int | None
    vantage_points: tuple[str, ...]
    regions: tuple[str, ...]
    carriers: tuple[str, ...]
    nodes: tuple[str, ...]
    faults: tuple[tuple[str, int], ...]
    reasons: tuple[tuple[str, int], ...]
    rows: tuple[str, ...]
    more_rows: int
    evidence: tuple[str, ...]
    name: str = ""
    records: tuple[tuple[str, int, int], ...] = ()


class TimeDownShown(Value, frozen=True, kw_only=True):
    """Time down, told by spans. `kind`: of which incident of the contract. Bounds on both sides."""

    kind: str
    shown_us: int
    possible_us: int
    spans: tuple[tuple[str, str], ...] = ()
    possible: tuple[tuple[str, str], ...] = ()
    counts: bool = True


class CreditShown(Value, frozen=True, kw_only=True):
    """What is owed, by what is shown and by what is possible, and how it comes about."""

    currency: str
    shown: str
    possible: str
    how: Words


class DeadlineShown(Value, frozen=True, kw_only=True):
    """A deadline: `word` is in_time, late, missing or open."""

    name: str
    begin: str
    declared: str | None
    within_us: int
    word: str
    source: str


class TimesShown(Value, frozen=True, kw_only=True):
    """Times to the first byte of served requests of a region and carrier: (at least, at most) of three quantiles.

    From a fixed histogram; the bounds are those of a bucket, a tenth apart at most.
    """

    part: str
    samples: int
    p50_us: tuple[int, int]
    p95_us: tuple[int, int]
    p99_us: tuple[int, int]


class QuantilesShown(Value, frozen=True, kw_only=True):
    """(at least, at most) of three quantiles, of a region and carrier; bounds of a bucket, a tenth apart at most.

    `quantity`: `throughput`, in bytes a second, of whole bodies of served requests; `propagation`, in microseconds, how
    long nodes went on serving an earlier version, at most.
    """

    quantity: str
    part: str
    samples: int
    p05: tuple[int, int]
    p50: tuple[int, int]
    p95: tuple[int, int]


class TrafficShown(Value, frozen=True, kw_only=True):
    """What a traffic file says by the contract's own formula, beside our figures. `by`: provider or customer.

    `lost`: requests lost to nodes that our records show dead, exactly. Our records do not prove the file.
    """

    by: str
    digest: str
    requests: int
    errors: int
    lost: str
    unknown_grains: int
    bad_grains: int
    unavailable_us: int
    percent: str
    met: bool


class CriterionShown(Value, frozen=True, kw_only=True):
    """One line of an acceptance, or of a comparison: `word` as of a subject."""

    name: str
    part: str
    value: str
    bound: str
    samples: int
    word: Word
    why: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


class Period(Value, frozen=True, kw_only=True):
    """`name`: `2026-11`, `2026`, or `span`."""

    name: str
    begin: str
    end: str
    time_zone: str


class Subject(Value, frozen=True, kw_only=True):
    """What is said of one domain in one period.

    `why`: codes, for a word that is `not decided`; docs/sla.md has them. `judged` False: figures without a word.
    `final`: all rows are here that could still change it. `unreported`: time down that does not count, since nobody
    reported it in time. `together_us`: time down of all kinds, what overlaps once: what counts at least, and at most.
    """

    customer: str
    domain: str
    period: Period
    word: Word
    why: tuple[str, ...]
    judged: bool
    final: bool
    complete_up_to: str | None
    objective: str | None = None
    grains: GrainsShown | None = None
    figures: tuple[Figure, ...] = ()
    runs: tuple[RunShown, ...] = ()
    resolution: Resolution | None = None
    interval: Interval | None = None
    slices: tuple[Slice, ...] = ()
    apart: tuple[Slice, ...] = ()
    down: tuple[TimeDownShown, ...] = ()
    allowed_us: int | None = None
    together_us: tuple[int, int] | None = None
    unreported: tuple[tuple[str, str], ...] = ()
    incidents: tuple[IncidentShown, ...] = ()
    exclusions: tuple[ExclusionShown, ...] = ()
    traffic: TrafficShown | None = None
    times: tuple[TimesShown, ...] = ()
    quantiles: tuple[QuantilesShown, ...] = ()
    credit: CreditShown | None = None
    deadlines: tuple[DeadlineShown, ...] = ()
    criteria: tuple[CriterionShown, ...] = ()
    lost: tuple[str, ...] = ()
    strip: tuple[tuple[str, int], ...] = ()
    not_measured: tuple[Words, ...] = ()


class Report(Value, frozen=True, kw_only=True):
    """The whole. `unverified`: the words by which somebody took inputs that nothing proves; null: all are proved."""

    report: int
    contract: Contract
    subjects: tuple[Subject, ...]
    inputs: tuple[Input, ...]
    unverified: str | None
    code: int
    versions: tuple[tuple[str, str], ...]
