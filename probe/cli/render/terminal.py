"""Rule: text that a server sent is shown without control characters: the terminal never obeys it.

A console whose text is free of control characters, wherever in a table it stands; styles are the console's own.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from probe.cli.render.layout import columns_without_terminal
from probe.core.text.control_characters import CONTROL


class HarmlessConsole(Console):
    """Shows text as text."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich renders it, without control characters, which have no width: the layout stays."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            if control is None and not text.isprintable() and CONTROL.search(text):
                segment = Segment(CONTROL.sub("", text), style)
            yield segment


def console() -> Console:
    """Standard output; as wide as the terminal, and as terminals usually are where there is none."""
    out = HarmlessConsole()
    return out if out.is_terminal else HarmlessConsole(width=columns_without_terminal())
