"""Rule: all problems of all files are told at once, and one customer's bad file never hides another's.

Reads agent.yaml and the customers' files, within bounds, and hands text to `core.config`.
"""

from __future__ import annotations

from pathlib import Path

from probe.core.config import (
    AgentConfig,
    Config,
    ConfigError,
    CustomerConfig,
    Problem,
    make_config,
    parse_agent,
    parse_customer,
)
from probe.core.config_customer import TlsConfig
from probe.core.kinds import Kinds
from probe.core.strict_yaml import MAX_BYTES
from probe.core.task import SecretRef
from probe.io.secrets import SecretError, reveal


def load_config(agent_file: Path, kinds: Kinds) -> Config:
    """agent.yaml and every customer file that it names. Raises ConfigError with all problems."""
    texts: dict[str, str] = {}
    agent = _agent(agent_file, texts)
    customers, problems = _customers(agent, kinds, texts)
    if problems:
        raise ConfigError(problems)
    return make_config(agent, customers, texts)


def reload_config(previous: Config, agent_file: Path, kinds: Kinds) -> tuple[Config, tuple[Problem, ...]]:
    """As `load_config`, but a bad file leaves what it said before in force; its problems are returned."""
    texts: dict[str, str] = {}
    try:
        agent = _agent(agent_file, texts)
    except ConfigError as error:
        return previous, error.problems
    customers, problems = _customers(agent, kinds, texts)
    bad_files = {problem.file for problem in problems}
    if not bad_files:
        return make_config(agent, customers, texts), ()
    kept_names = {customer.customer for customer in customers}
    kept = [
        c for c in previous.customers if c.customer not in kept_names and _file_of(c, previous) in bad_files
    ]
    texts |= {name: text for name, text in previous.texts.items() if name in bad_files}
    return make_config(agent, [*customers, *kept], texts), tuple(problems)


def _file_of(customer: CustomerConfig, config: Config) -> str | None:
    """The file that a customer came from: named by its id, or the one that says so."""
    for name, text in config.texts.items():
        if Path(name).stem == customer.customer or f"customer: {customer.customer}\n" in text:
            return name
    return None


def _agent(agent_file: Path, texts: dict[str, str]) -> AgentConfig:
    text = _read(agent_file)
    texts[str(agent_file)] = text
    agent = parse_agent(text, str(agent_file))
    base = agent_file.parent
    agent = agent.model_copy(
        update={"results": str(base / agent.results), "customers": str(base / agent.customers)}
    )
    if not Path(agent.customers).is_dir():
        raise ConfigError(
            [
                Problem(
                    str(agent_file),
                    0,
                    0,
                    f"customers: {agent.customers} is no directory; make it, or name another",
                )
            ]
        )
    return agent


def _customers(
    agent: AgentConfig, kinds: Kinds, texts: dict[str, str]
) -> tuple[list[CustomerConfig], list[Problem]]:
    directory = Path(agent.customers)
    files = sorted([*directory.glob("*.yaml"), *directory.glob("*.yml")])
    problems: list[Problem] = []
    found: dict[str, Path] = {}
    customers: list[CustomerConfig] = []
    points = [point.name for point in agent.vantage_points]
    for file in files:
        try:
            text = _read(file)
            customer = parse_customer(text, str(file), kinds=kinds, vantage_points=points)
            customer = _anchored(customer, file)
            problems += _secret_problems(customer, file)
        except ConfigError as error:
            problems += error.problems
            continue
        if customer.customer in found:
            other = found[customer.customer]
            problems.append(
                Problem(str(file), 1, 1, f"the customer {customer.customer!r} is already in {other}")
            )
            continue
        found[customer.customer] = file
        texts[str(file)] = text
        customers.append(customer)
    if not files:
        problems.append(
            Problem(str(directory), 0, 0, "no customer file (*.yaml) here; docs/configuration.md shows one")
        )
    return customers, problems


def _read(file: Path) -> str:
    try:
        if not file.is_file():
            what = (
                "is a directory"
                if file.is_dir()
                else "does not exist"
                if not file.exists()
                else "is no regular file"
            )
            raise ConfigError([Problem(str(file), 0, 0, what)])
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(
                [Problem(str(file), 0, 0, f"larger than {MAX_BYTES >> 20} MiB; split the customer")]
            )
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError([Problem(str(file), 0, 0, f"cannot be read: {error.strerror}")]) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise ConfigError([Problem(str(file), line, column, "is not UTF-8 text")]) from None


def _anchored(customer: CustomerConfig, file: Path) -> CustomerConfig:
    """Certificate files are relative to the customer's file, and must be there."""
    domains = []
    for domain in customer.domains:
        tls = _ca(domain.tls, file)
        origin = domain.origin
        if origin is not None and origin.tls is not None:
            origin = origin.model_copy(update={"tls": _ca(origin.tls, file)})
        domains.append(domain.model_copy(update={"tls": tls, "origin": origin}))
    return customer.model_copy(update={"domains": domains})


def _ca(tls: TlsConfig, file: Path) -> TlsConfig:
    if tls.ca is None:
        return tls
    path = file.parent / tls.ca
    if not path.is_file():
        raise ConfigError([Problem(str(file), 0, 0, f"tls.ca: there is no file {path}")])
    return tls.model_copy(update={"ca": str(path)})


def _secret_problems(customer: CustomerConfig, file: Path) -> list[Problem]:
    """A secret that cannot be had is told now, not at three in the morning."""
    levels = [customer.defaults, *customer.domains, *(o for d in customer.domains for o in d.objects)]
    headers = [level.headers or {} for level in levels]
    headers += [domain.origin.headers for domain in customer.domains if domain.origin is not None]
    refs = {value for named in headers for value in named.values() if isinstance(value, SecretRef)}
    problems = []
    for ref in sorted(refs, key=str):
        try:
            reveal(ref)
        except SecretError as error:
            problems.append(Problem(str(file), 0, 0, str(error)))
    return problems
