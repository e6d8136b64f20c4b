"""`python -m tests.alterations [--tries N]`: every kind of alteration. Exit 0: all found or declared; 1: not.

Needs `openssl`. Touches temporary directories only. `--write` puts the table into docs/proof.md.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import click

from tests.alterations.kinds import kinds
from tests.alterations.trying import Tried, attempt
from tests.alterations.world import make_world

PAGE = Path(__file__).parents[2] / "docs" / "proof.md"
BEGIN, END = "<!-- python -m tests.alterations --write -->\n", "<!-- end -->\n"


def table(tried: list[Tried]) -> str:
    """In Markdown: promise, attack, tries, and how often it was found with the first bad record named."""
    rows = ["| promise | attack | on | tries | found | declared |", "|---|---|---|---|---|---|"]
    for each in sorted(tried, key=lambda one: one.kind.promise):
        kind = each.kind
        declared = str(each.declared) if each.declared else ""
        rows.append(
            f"| {kind.promise} | {kind.attack} | {kind.where} | {each.tries} | {each.found} | {declared} |"
        )
    total = (
        sum(each.tries for each in tried),
        sum(each.found for each in tried),
        sum(each.declared for each in tried),
    )
    rows.append(f"| **{len(tried)} kinds** | | | {total[0]} | {total[1]} | {total[2]} |")
    return "\n".join(rows) + "\n"


@click.command()
@click.option("--tries", type=click.IntRange(min=1), default=50, show_default=True, help="Of each kind.")
@click.option("--only", default="", help="Kinds whose words hold this.")
@click.option("--write", is_flag=True, help="Put the table into docs/proof.md.")
def main(tries: int, only: str, write: bool) -> None:
    """Alter results in every way, and see whether `results verify` finds it and names the first bad record."""
    tried: list[Tried] = []
    with tempfile.TemporaryDirectory(prefix="cdn-probe-alterations-") as directory:
        world = make_world(Path(directory))
        for kind in kinds():
            if only not in f"{kind.where}: {kind.promise}: {kind.attack}":
                continue
            tried.append(attempt(world, kind, tries))
            click.echo(
                f"{kind.where}: {kind.attack}: {tried[-1].found + tried[-1].declared} of {tries}", err=True
            )
            for words in tried[-1].wrong[:3]:
                click.echo(f"  {words}", err=True)
    made = table(tried)
    click.echo(made, nl=False)
    if write:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(
            re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{made}\n{END}", page, flags=re.S),
            encoding="utf-8",
        )
    sys.exit(1 if any(each.wrong for each in tried) else 0)


if __name__ == "__main__":
    main()
