"""Rule: a configuration is read and validated as a whole; nothing of an invalid file takes effect.

Sizes are checked before contents are read, special files are not read, and all problems of all files are reported
together. On a reload an invalid file leaves its former definitions in force; the other files take effect.
"""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from probe.core.config.load import (
    AgentConfig,
    Config,
    ConfigError,
    CustomerConfig,
    Outline,
    Problem,
    make_config,
    outline,
    outline_of,
    parse_agent,
    parse_customer,
    place_of_customers,
)
from probe.core.content.check_kind import Kinds
from probe.core.text.redaction import without_secret_query
from probe.settings.agent_file import CLOSED, LOOKED_FOR
from probe.settings.permissions import open_to_additions, replaceable

MAX_BYTES = 8 * 1024 * 1024
SUFFIXES = (".yaml", ".yml")


@dataclass(slots=True)
class _Read:
    """The result of reading the customers' files. `failed`: names of files that exist and cannot be used."""

    customers: dict[str, CustomerConfig] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)  # file name -> customer
    failed: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _ReadAgent:
    """The result of reading agent.yaml; `outline` holds what could be read even where `config` is None."""

    config: AgentConfig | None
    outline: Outline
    text: str
    problems: list[Problem]


def load_config(agent_file: Path, kinds: Kinds) -> Config:
    """Read agent.yaml and the customers' files that it names. Raises ConfigError with all problems of all files."""
    agent = _read_agent(agent_file)
    read = _read_customers(agent, agent_file, kinds)
    problems = agent.problems + read.problems
    if agent.config is None or problems:
        raise ConfigError(problems)
    return _together(agent.config, agent.text, agent_file, read)


def reload_config(previous: Config, agent_file: Path, kinds: Kinds) -> tuple[Config, tuple[Problem, ...]]:
    """The configuration now in force, and the problems that keep parts of it as they were.

    A bad agent.yaml keeps everything as it was; a customer whose file is bad keeps its previous definition; a
    customer whose file is gone, without any problem, is gone. Raises nothing.
    """
    agent = _read_agent(agent_file)
    read = _read_customers(agent, agent_file, kinds, previous.sources)
    problems = agent.problems + read.problems
    if agent.config is None:
        return previous, tuple(problems)
    config, text = agent.config, agent.text
    _keep_previous(read, previous)
    if missing := _missing_vantage_points(config, read.customers.values()):
        message = (
            f"the vantage points {', '.join(missing)} are gone, but customers whose files cannot be used still "
            "need them: everything stays as it was"
        )
        return previous, (*problems, _whole(agent_file, message))
    return _together(config, text, agent_file, read), tuple(problems)


def _together(agent: AgentConfig, text: str, agent_file: Path, read: _Read) -> Config:
    return make_config(agent, read.customers.values(), {agent_file.name: text, **read.texts}, read.sources)


def _keep_previous(read: _Read, previous: Config) -> None:
    """Keep the definitions of files, or of directories, that cannot be used now."""
    before = {c.customer: c for c in previous.customers}
    for name, customer in previous.sources.items():
        failed = any(name == f or name.startswith(f"{f}/") for f in read.failed)
        if failed and customer not in read.customers:
            read.customers[customer] = before[customer]
            read.sources[name] = customer
            read.texts[name] = previous.texts[name]


def _missing_vantage_points(agent: AgentConfig, customers: Iterable[CustomerConfig]) -> list[str]:
    known = {point.name for point in agent.vantage_points}
    return sorted({n for c in customers for item in c.objects for n in item.vantage_points} - known)


def _read_agent(agent_file: Path) -> _ReadAgent:
    text, base = "", _directory(agent_file)
    try:
        if (open_to_all := replaceable(base)) is not None:
            raise ConfigError([_whole(agent_file, open_to_all)])
        _demand_file(agent_file)
        text = _read_text(agent_file)
        config = parse_agent(text, str(agent_file), base=base)
        return _ReadAgent(config, outline_of(config), text, [])
    except ConfigError as error:
        return _ReadAgent(None, outline(text, base), text, list(error.problems))


def _demand_file(agent_file: Path) -> None:
    """Raises ConfigError where it is not there, or not for this user."""
    try:
        agent_file.stat()
    except PermissionError:
        raise ConfigError([_whole(agent_file, CLOSED)]) from None
    except OSError:
        raise ConfigError([_whole(agent_file, f"there is no such file; {LOOKED_FOR}")]) from None


def _directory(file: Path) -> Path:
    return Path(os.path.abspath(file)).parent


def _read_customers(
    read_agent: _ReadAgent, agent_file: Path, kinds: Kinds, owners: Collection[str] = ()
) -> _Read:
    """`owners`: files that defined customers before; read first, so that no new file displaces them."""
    read, agent = _Read(), read_agent.outline
    files = []
    for index, place in enumerate(agent.customers):
        if os.path.lexists(place):
            files.extend(_files_at(Path(place), agent_file, read))
            continue
        mark = place_of_customers(read_agent.text, index)
        message = f"customers: there is neither a file nor a directory {place}"
        read.problems.append(Problem(str(agent_file), *mark, message))
        read.failed.add(_shown_name(Path(os.path.abspath(place)), agent_file))
    if agent.customers and not files and not read.problems:
        where = ", ".join(agent.customers)
        message = f"no customer file (*.yaml) in {where}: nothing would be measured"
        read.problems.append(_whole(agent_file, message))
        read.failed.update(_shown_name(Path(os.path.abspath(place)), agent_file) for place in agent.customers)
    for file in sorted(dict.fromkeys(files), key=lambda f: _shown_name(f, agent_file) not in owners):
        name = _shown_name(file, agent_file)
        shown = agent_file.parent / name
        try:
            text = _read_text(file, shown)
            customer = parse_customer(
                text, str(shown), kinds=kinds, vantage_points=agent.vantage_points, base=file.parent
            )
        except ConfigError as error:
            read.failed.add(name)
            read.problems.extend(error.problems)
            continue
        _add(read, name, shown, text, customer)
    return read


def _add(read: _Read, name: str, file: Path, text: str, customer: CustomerConfig) -> None:
    identity = customer.customer
    if identity in read.customers:
        first = next(n for n, c in read.sources.items() if c == identity)
        read.failed.add(name)
        message = (
            f"the customer '{identity}' is already defined in {first}: an identifier belongs to one file"
        )
        read.problems.append(_whole(file, message))
        return
    read.customers[identity] = customer
    read.sources[name] = identity
    read.texts[name] = text


def _shown_name(file: Path, agent_file: Path) -> str:
    directory = _directory(agent_file)
    return file.relative_to(directory).as_posix() if file.is_relative_to(directory) else str(file)


def _files_at(place: Path, agent_file: Path, read: _Read) -> list[Path]:
    """The files that an entry of `customers` stands for, by name; hidden files and backups are skipped."""
    place = Path(os.path.abspath(place))
    try:
        if not place.is_dir():
            return [place]
        if (open_to_all := open_to_additions(place)) is not None:
            read.problems.append(_whole(agent_file, f"customers: {open_to_all}"))
            read.failed.add(_shown_name(place, agent_file))
            return []
        return sorted(
            place / entry
            for entry in os.listdir(place)
            if entry.endswith(SUFFIXES) and not entry.startswith(".")
        )
    except OSError as error:
        read.problems.append(_whole(agent_file, f"customers: {place} cannot be read: {error.strerror}"))
        read.failed.add(_shown_name(place, agent_file))
        return []


def _read_text(file: Path, shown: Path | None = None) -> str:
    """The text of a regular file of moderate size. Raises ConfigError with one Problem, of `shown`."""
    shown = shown or file
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            size = _fit_size(shown, status)
            data = stream.read(size + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError([_whole(shown, f"cannot be read: {why}")]) from None
    if len(data) > size:
        raise ConfigError([_whole(shown, "it grew while it was read: try again once it is written")])
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data[:4]:
        message = "this is UTF-16 (some editors call it Unicode): save the file as UTF-8"
        raise ConfigError([Problem(str(shown), 1, 1, message)])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        message = f"not UTF-8 text: the byte 0x{data[error.start]:02X} stands here; save the file as UTF-8"
        raise ConfigError([Problem(str(shown), line, column, message)]) from None
    if status.st_mode & stat.S_IROTH and without_secret_query(text) != text:
        message = f"a URL in it holds a secret, and everybody on this host may read it: chmod o-r {shown}"
        raise ConfigError([_whole(shown, message)])
    return text


def _fit_size(file: Path, status: os.stat_result) -> int:
    """The size of a file that may be read, in bytes. Raises ConfigError."""
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError([_whole(file, "no regular file")])
    if status.st_size > MAX_BYTES:
        message = f"{status.st_size} bytes is more than the {MAX_BYTES} that a configuration file may have: split it"
        raise ConfigError([_whole(file, message)])
    if status.st_mode & stat.S_IWOTH:
        raise ConfigError([_whole(file, f"everybody on this host may change it: chmod o-w {file}")])
    return status.st_size


def _whole(file: Path, message: str) -> Problem:
    return Problem(str(file), 0, 0, message)
