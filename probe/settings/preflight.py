"""Rule: what a valid configuration refers to and this host lacks is reported before the first slot needs it.

CA files, secrets, IP versions that no line carries, and what the API needs. Contents of files are neither kept nor
shown.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from ipaddress import ip_address
from operator import eq
from pathlib import PurePath

from probe.core.config.effective import MeasuredObject
from probe.core.config.load import Config, ConfigError, CustomerConfig, Problem
from probe.core.config.plan import Plan, uncarried
from probe.core.model.protocols import H3
from probe.core.model.task import SecretRef, Task, VantagePoint
from probe.core.model.units import format_duration
from probe.core.scheduling.open_slots import MOST_OF_ONE_TASK, longest_without_gap_us
from probe.core.syntax.yaml import place_of
from probe.core.text.redaction import without_secret_query
from probe.core.text.tokens import is_hash
from probe.settings.secrets import SecretError, reveal
from probe.tls.trust import trust_problem


def missing(config: Config) -> tuple[Problem, ...]:
    """Every CA file and secret that cannot be read here, once for each customer and vantage point."""
    files = {customer: file for file, customer in config.sources.items()}
    found = (
        Problem(files.get(customer.customer, customer.customer), 0, 0, words)
        for customer in config.customers
        for words in _secrets(customer)
    )
    own = (
        *_proxy_secrets(config),
        *_parquet(config),
        *(Problem(_agent_file(config), 0, 0, words) for words in _api(config)),
        *_timestamp(config),
        *_calls(config),
    )
    return tuple(
        dict.fromkeys((*own, *untrusted(config), *unspoken(config), *found, *_uncarried(config, files)))
    )


def untrusted(config: Config) -> tuple[Problem, ...]:
    """Where certificates are to be verified and nobody is trusted: with these every verdict over TLS would be wrong."""
    files = {customer: file for file, customer in config.sources.items()}
    found = (
        problem
        for customer in config.customers
        for problem in _untrusted(customer, files.get(customer.customer, customer.customer), config.texts)
    )
    return tuple(dict.fromkeys(found))


_SYN_AGAIN_US = 1_000_000  # RFC 6298 section 2: a SYN that was lost is sent again after a second
_SHORTEST_CONNECT_US = _SYN_AGAIN_US + 500_000


def warnings(config: Config, plan: Plan) -> tuple[Problem, ...]:
    """What runs and is unwise, at the domains that it is about: limits of time that the schedule or the line breaks."""
    files = {customer: file for file, customer in config.sources.items()}
    found = [
        (task.customer, task.domain, words)
        for of_a_kind in (_overlong, _one_syn_only)
        for task in plan.tasks
        if (words := of_a_kind(task)) is not None
    ]
    made = []
    for customer, domain, words in dict.fromkeys(found):
        file = files.get(customer, customer)
        mark = place_of(config.texts.get(file, ""), file, "domain", partial(eq, domain))
        made.append(Problem(file, *mark, f"{domain}: {words}"))
    return tuple(made)


def _overlong(task: Task) -> str | None:
    """A timeout that is longer than the interval allows: while an edge hangs, slots would be missed."""
    most_us = longest_without_gap_us(task.period_us)
    if task.deadlines.total_us <= most_us:
        return None
    return (
        f"a timeout of {format_duration(task.deadlines.total_us)} spans more than {MOST_OF_ONE_TASK} slots of"
        f" {format_duration(task.period_us)}, each with its second look: while an edge hangs, slots are missed"
        f" (agent.overlap); {format_duration(most_us)} or less loses none"
    )


def _one_syn_only(task: Task) -> str | None:
    """One lost packet ends a connection's time: a line that loses a few makes a healthy edge look dead."""
    limit_us = min(task.deadlines.connect_us, task.deadlines.total_us)
    if limit_us >= _SHORTEST_CONNECT_US:
        return None
    return (
        f"connections have {format_duration(limit_us)}, and a lost SYN is sent again after 1s: one lost packet looks"
        f" like a dead edge, until a second look of 3.5s; {format_duration(_SHORTEST_CONNECT_US)} or more tells them"
        " apart"
    )


def require_means(config: Config) -> None:
    """Raises ConfigError where certificates are to be verified and nobody is trusted, or HTTP/3 cannot be spoken."""
    if problems := (*untrusted(config), *unspoken(config)):
        raise ConfigError(problems)


def unspoken(config: Config) -> tuple[Problem, ...]:
    """Where HTTP/3 is asked for and cannot be spoken: without its library, and through proxies, which carry TCP."""
    files = {customer: file for file, customer in config.sources.items()}
    points = [point.vantage_point() for point in config.agent.vantage_points]
    found = []
    for customer in config.customers:
        file = files.get(customer.customer, customer.customer)
        for item in (o for o in customer.objects if _asks_http3(o)):
            asked = [p for p in points if not item.vantage_points or p.name in item.vantage_points]
            words = [problem for point in asked if (problem := no_http3(point)) is not None]
            mark = place_of(config.texts.get(file, ""), file, "domain", partial(eq, item.domain))
            found += [Problem(file, *mark, f"{item.domain}: {text}") for text in words]
    return (*dict.fromkeys(found), *_unspoken_anchors(config))


def _asks_http3(item: MeasuredObject) -> bool:
    """Also where a check does, beside what is measured."""
    return H3 in item.protocols or any(
        H3 in (getattr(spec.params, "protocols", None) or ()) for spec in item.checks
    )


def _unspoken_anchors(config: Config) -> Iterator[Problem]:
    """Anchors that are asked over HTTP/3, likewise."""
    file = _agent_file(config)
    for point in (given.vantage_point() for given in config.agent.vantage_points):
        asked = [str(anchor) for anchor in point.anchors if anchor.scheme == "quic"]
        if asked and (words := no_http3(point)) is not None:
            mark = place_of(config.texts.get(file, ""), file, "name", partial(eq, point.name))
            yield Problem(
                file, *mark, f"anchors of {point.name}: {asked[0]}: {words.removeprefix('protocol: ')}"
            )


def no_http3(point: VantagePoint) -> str | None:
    """Why HTTP/3 cannot be spoken from this vantage point, in words for a person; None: it can."""
    if find_spec("qh3") is None:  # the library of the extra `http3`
        return "protocol: h3 needs the extra http3: pip install 'cdn-probe[http3]'"
    if point.proxy is not None:
        return (
            f"protocol: h3 is not measured from {point.name}, which has a proxy: HTTP/3 goes over UDP, and a proxy"
            " carries TCP alone; name other vantage_points for it"
        )
    return None


def _untrusted(customer: CustomerConfig, file: str, texts: Mapping[str, str]) -> Iterator[Problem]:
    text = texts.get(file, "")
    asked = [
        (o.domain, request.scheme, policy)
        for o in customer.objects
        for request, policy in ((o.request, o.tls), *([(o.origin.request, o.origin.tls)] if o.origin else ()))
    ]
    for ca in sorted({policy.ca for _, _, policy in asked if policy.ca is not None}):
        problem = trust_problem(ca.removeprefix("file:"))
        if problem is not None:
            mark = place_of(text, file, "ca", partial(_names, ca))
            yield Problem(file, *mark, f"tls.ca: {problem}")
    by_system = [domain for domain, scheme, p in asked if scheme == "https" and p.verify and p.ca is None]
    if by_system and (problem := trust_problem(None)) is not None:
        mark = place_of(text, file, "domain", lambda value: value == by_system[0])
        yield Problem(file, *mark, f"{by_system[0]}: {problem}")


def _names(ca: str, written: object) -> bool:
    """Whether this text in a file, relative to it perhaps, is that path."""
    path = str(PurePath(str(written).removeprefix("file:")))
    return ca == path or ca.endswith(f"/{path}")


def _agent_file(config: Config) -> str:
    return next((name for name in config.texts if name not in config.sources), "agent.yaml")


def _api(config: Config) -> Iterator[str]:
    """What prevents the API from being served, or a reader's token from being accepted."""
    api = config.agent.api
    if api is None:
        return
    host = api.listen.rpartition(":")[0].strip("[]")
    if api.tls is None and not ip_address(host).is_loopback:
        yield f"api.listen: {api.listen} is not loopback: it does not listen there without api.tls"
    for token in api.tokens:
        if not is_hash(token.hash):
            yield (
                f"api.tokens: the hash of {token.name} is not sha256: and 64 hexadecimal digits, so that nobody can"
                f" have that token: `cdn-probe token {token.name}` makes both"
            )
    if api.tls is not None:
        for key in ("certificate", "key", "client_ca"):
            name = getattr(api.tls, key)
            if name is not None and not os.access(name, os.R_OK):
                yield f"api.tls.{key}: {name} cannot be read: the API is not served without it"


def _timestamp(config: Config) -> Iterator[Problem]:
    """What prevents heads from being stamped; everything else works without."""
    timestamp = config.agent.timestamp
    if timestamp is None:
        return
    file = _agent_file(config)
    if (problem := trust_problem(timestamp.ca)) is not None:
        mark = place_of(config.texts.get(file, ""), file, "ca", partial(_names, timestamp.ca))
        yield Problem(file, *mark, f"timestamp.ca: {problem}")
    if find_spec("rfc3161_client") is None:
        mark = place_of(config.texts.get(file, ""), file, "url", partial(eq, timestamp.url))
        yield Problem(file, *mark, "timestamp: it needs rfc3161-client: install cdn-probe[stamps]")


def _calls(config: Config) -> Iterator[Problem]:
    """What prevents somebody from being called; everything else works without."""
    file = _agent_file(config)
    for call in config.agent.calls:
        target = call.target()
        for key, ref in (("secret", target.secret), ("bearer", target.bearer), ("password", target.password)):
            try:
                if ref is not None:
                    reveal(ref)
            except SecretError as error:
                yield Problem(file, 0, 0, f"call {call.name}: {key}: {error}")
        if target.ca is not None and (problem := trust_problem(target.ca)) is not None:
            mark = place_of(config.texts.get(file, ""), file, "ca", partial(_names, target.ca))
            yield Problem(file, *mark, f"call {call.name}: ca: {problem}")


def _parquet(config: Config) -> Iterator[Problem]:
    """Segments as Parquet are wanted and nothing here can write them."""
    segments = config.agent.segments
    if segments is not None and segments.parquet and find_spec("pyarrow") is None:
        file = _agent_file(config)
        mark = place_of(config.texts.get(file, ""), file, "parquet", partial(eq, True))
        words = "segments.parquet: it needs pyarrow: install cdn-probe[parquet], or leave it out: CSV is sealed then"
        yield Problem(file, *mark, words)


def _proxy_secrets(config: Config) -> Iterator[Problem]:
    file = _agent_file(config)
    for point in config.agent.vantage_points:
        proxy = point.vantage_point().proxy
        try:
            if proxy is not None and proxy.password is not None:
                reveal(proxy.password)
        except SecretError as error:
            yield Problem(file, 0, 0, f"vantage point {point.name}: proxy.password: {error}")


def _uncarried(config: Config, files: dict[str, str]) -> Iterator[Problem]:
    for customer, url, version in uncarried(config):
        words = f"{without_secret_query(url)}: ip {version} is asked for, and none of its vantage points carries it"
        yield Problem(files.get(customer, customer), 0, 0, words)


def _secrets(customer: CustomerConfig) -> Iterator[str]:
    requests = [r for o in customer.objects for r in (o.request, o.origin.request if o.origin else o.request)]
    values = {value for request in requests for _, value in request.fields}
    for ref in sorted((value for value in values if isinstance(value, SecretRef)), key=str):
        try:
            reveal(ref)
        except SecretError as error:
            yield str(error)


def require_secrets(plan: Plan, lines: Iterable[VantagePoint]) -> None:
    """Read each secret once and discard it. Raises SecretError."""
    passwords = (line.proxy.password for line in lines if line.proxy is not None)
    values = (
        value
        for task in plan.tasks
        for request in (task.request, *([task.origin.request] if task.origin is not None else []))
        for _, value in request.fields
    )
    for ref in dict.fromkeys(value for value in (*values, *passwords) if isinstance(value, SecretRef)):
        reveal(ref)
