"""Servers outside the contract: anchors, a bystander, a captive portal. Each answers every request in the same way.

Anchors show whether a vantage point's line works; the bystander is another company's web server, to which an alias
may suddenly point. A captive portal answers in place of every server, until a user has logged in.
"""

from __future__ import annotations

from probe.lab.servers.http1 import Reply, Request
from probe.lab.servers.server import HttpServer

PORTAL = "login.portal.example"
_TEXT = ("Content-Type", "text/plain")


async def _alive(request: Request) -> Reply:
    return Reply(status=200, fields=[_TEXT, ("Cache-Control", "no-store")], body=b"ok\n")


async def _bystander(request: Request) -> Reply:
    return Reply(status=200, fields=[_TEXT], body=b"welcome to another company\n")


async def portal(request: Request) -> Reply:
    """What a captive portal says to everybody: log in first."""
    return Reply(status=302, fields=[_TEXT, ("Location", f"http://{PORTAL}/login")], body=b"log in first\n")


def anchor(address: str, port: int) -> HttpServer:
    """A server that says `ok`."""
    return HttpServer(_alive, address, port)


def bystander(address: str, port: int) -> HttpServer:
    """Another company's server: innocent, and not the customer's content."""
    return HttpServer(_bystander, address, port)
