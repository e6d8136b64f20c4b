"""What we lean on in libraries and promises nothing to us. Looked at again on every upgrade (docs/decisions/0019)."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import re
import runpy
import socket
import ssl
from pathlib import Path
from types import SimpleNamespace

import pytest
import trustme
from cryptography.hazmat.bindings.openssl.binding import Binding

from probe.net.event_loop import DatedLoop, run
from probe.tls import bundled, chain_store, openssl_bindings
from probe.tls.chains import sent_chain, verified_chain

ROOT = Path(__file__).parent.parent.parent
PROBE = ROOT / "probe"
MODULES = {
    "probe." + ".".join(file.relative_to(PROBE).with_suffix("").parts): ast.parse(
        file.read_text(encoding="utf-8")
    )
    for file in sorted(PROBE.glob("**/*.py"))
}
# os._exit; zlib's type, in annotations alone; what every named tuple has, documented.
PUBLIC_IN_SPITE_OF_THEIR_NAME = {"_exit", "_Decompress", "_replace"}


# --- one place for each -----------------------------------------------------------------------------------


def _imported(tree: ast.Module) -> set[str]:
    plain = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    return plain | {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}


def _private_names_made(tree: ast.Module) -> set[str]:
    made = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.attr if isinstance(node, ast.Attribute) else node.id)
    return made


def _foreign_private_names(tree: ast.Module, modules: dict[str, ast.Module]) -> set[str]:
    """Private names that are read here and made neither here nor in a module of ours that is imported here."""
    known = _private_names_made(tree) | PUBLIC_IN_SPITE_OF_THEIR_NAME
    for name in _imported(tree) & modules.keys():
        known |= _private_names_made(modules[name])
    used = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    return {name for name in used - known if re.fullmatch(r"_[^_]\w*", name)}


def test_the_look_for_private_names_sees_them() -> None:
    tree = ast.parse("class A(Loop):\n def f(self):\n  self._own = self._ready\n  other._sslobj\n")
    assert _foreign_private_names(tree, {}) == {"_ready", "_sslobj"}


@pytest.mark.parametrize("module", MODULES)
def test_no_module_reads_a_private_attribute_of_a_library(module: str) -> None:
    assert _foreign_private_names(MODULES[module], MODULES) == set()


def test_private_modules_and_names_in_strings_are_in_one_module_each() -> None:
    bindings = [
        name for name, tree in MODULES.items() if any("hazmat.bindings" in i for i in _imported(tree))
    ]
    assert bindings == ["probe.tls.openssl_bindings"]
    strings = {
        name
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value == "_sslobj"
    }
    assert strings == {"probe.tls.chains"}


def test_what_is_private_has_an_upper_bound() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'"cryptography>=\d+,<\d+"', text)
    assert re.search(r'requires-python = ">=3\.11,<3\.14"', text)  # asyncio's loop, _sslobj


# --- cryptography's bindings --------------------------------------------------------------------------------


def test_every_name_of_the_bindings_is_listed_and_there() -> None:
    text = "".join(Path(module.__file__).read_text(encoding="utf-8") for module in (bundled, chain_store))
    assert set(re.findall(r"\b_lib\.(\w+)", text)) == openssl_bindings.NAMES
    assert set(re.findall(r"\b_ffi\.(\w+)", text)) == openssl_bindings.FFI_NAMES
    assert set(dir(openssl_bindings.lib)) >= openssl_bindings.NAMES


def test_a_release_without_one_of_them_is_not_used_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    there = dict.fromkeys(openssl_bindings.NAMES - {"SSL_get_peer_cert_chain"})
    monkeypatch.setattr(Binding, "lib", SimpleNamespace(**there))
    with pytest.raises(ImportError, match="no SSL_get_peer_cert_chain in its bindings"):
        runpy.run_path(openssl_bindings.__file__)


# --- ssl: the chain as sent ---------------------------------------------------------------------------------


def test_the_chain_as_sent_is_had_on_every_python_that_is_supported() -> None:
    authority = trustme.CA()
    between = authority.create_child_ca()
    serving, asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    between.issue_cert("www.example").configure_cert(serving)
    authority.configure_trust(asking)
    ours, theirs = (ssl.MemoryBIO(), ssl.MemoryBIO()), (ssl.MemoryBIO(), ssl.MemoryBIO())
    client = asking.wrap_bio(*ours, server_hostname="www.example")
    server = serving.wrap_bio(*theirs, server_side=True)
    for _ in range(4):
        for end in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
            theirs[0].write(ours[1].read())
            ours[0].write(theirs[1].read())
    chain = sent_chain(client)
    assert len(chain) == 2, "the leaf and the authority between, though only the root is trusted"
    assert chain[0] == client.getpeercert(binary_form=True)
    assert verified_chain(client)[:2] == chain
    assert len(verified_chain(client)) == 3, "and the root"


# --- asyncio: what a selector's key carries -----------------------------------------------------------------


def test_a_selector_s_key_carries_the_pair_of_handles_reader_and_writer() -> None:
    """`DatedLoop` registers pairs itself: asyncio must read them, and must write the same."""
    loop = DatedLoop()
    ours, theirs = socket.socketpair()
    try:
        loop.add_reader(ours.fileno(), int)  # by DatedLoop's short way
        asyncio.SelectorEventLoop.add_writer(loop, ours.fileno(), int)  # by asyncio's own
        reader, writer = loop.polls.get_key(ours.fileno()).data
        assert isinstance(reader, asyncio.Handle)
        assert isinstance(writer, asyncio.Handle)
        assert asyncio.SelectorEventLoop.remove_reader(loop, ours.fileno())
        assert reader.cancelled()
        assert loop.polls.get_key(ours.fileno()).data == (None, writer)
        assert loop.remove_writer(ours.fileno())  # by the short way, what asyncio registered
        assert writer.cancelled()
    finally:
        loop.close()
        ours.close()
        theirs.close()


def test_asyncio_runs_a_handle_that_was_registered_by_the_short_way() -> None:
    async def wait() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, DatedLoop)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            came: asyncio.Future[int] = loop.create_future()
            loop.add_reader(ours.fileno(), lambda: came.done() or came.set_result(1))
            theirs.send(b"x")
            try:
                return await asyncio.wait_for(came, 60)
            finally:
                loop.remove_reader(ours.fileno())

    assert run(wait()) == 1
