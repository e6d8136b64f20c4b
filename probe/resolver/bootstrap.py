"""Rule: a resolver given by name is found by the host's own resolver, once, and never while the loop waits.

`tls://dns.example.net` names a resolver that has to be looked up before it can be asked. What was found is kept;
a name that was not found is tried again at the next look-up.
"""

from __future__ import annotations

import asyncio
import socket
from functools import lru_cache
from ipaddress import ip_address

from probe.core.model.task import ResolverSpec
from probe.core.model.value import replace


class NamedResolvers:
    """Turns specs by name into specs by address."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}

    async def located(self, specs: tuple[ResolverSpec, ...], within_s: float) -> tuple[ResolverSpec, ...]:
        """The same specs, those by name with an address; one that is not found keeps its name.

        All within `within_s` seconds. Raises nothing.
        """
        if all(is_address(spec.address) for spec in specs):
            return specs
        unknown = {spec.address for spec in specs if not is_address(spec.address)} - self._found.keys()
        if unknown:
            async with asyncio.TaskGroup() as group:
                for name in unknown:
                    group.create_task(self._find(name, within_s))
        return tuple(replace(spec, address=self._found.get(spec.address, spec.address)) for spec in specs)

    async def _find(self, name: str, within_s: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(within_s):
                found = await loop.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except (OSError, TimeoutError, UnicodeError):
            return
        if found:
            self._found[name] = str(found[0][4][0])


@lru_cache(maxsize=1024)
def is_address(text: str) -> bool:
    """Whether it is an IP literal."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
