"""`sla plan` on the example configuration and an agreement about its domain."""

from __future__ import annotations

from pathlib import Path

from tests.interface.command import cdn_probe

ROOT = Path(__file__).parents[3]


def test_it_says_what_the_plan_shows_and_what_would_show_more(tmp_path: Path) -> None:
    text = (ROOT / "config/agreements/a-cloud-cdn-sla.yaml").read_text(encoding="utf-8")
    text = text.replace("customer: shop", "customer: acme").replace(
        "[www.shop.example, img.shop.example]", "[www.acme.example]"
    )
    file = tmp_path / "a.yaml"
    file.write_text(text.replace("www.shop.example", "www.acme.example"), encoding="utf-8")
    done = cdn_probe("sla", "plan", file, "-c", ROOT / "config/agent.yaml", "--nodes", "3")
    assert done.code == 0, done.err
    assert "www.acme.example: " in done.out
    assert "5,990 requests without an error in a grain" in done.out
    assert "4,636" in done.out
    assert all(len(line) <= 80 for line in done.out.splitlines())
    assert "more nodes in a slot and\nshorter intervals all bring" in done.out, "one paragraph, wrapped once"
    narrow = cdn_probe("sla", "plan", file, "-c", ROOT / "config/agent.yaml", columns=60)
    assert all(len(line) <= 60 for line in narrow.out.splitlines())
    foreign = cdn_probe(
        "sla", "plan", ROOT / "config/agreements/a-cloud-cdn-sla.yaml", "-c", ROOT / "config/agent.yaml"
    )
    assert foreign.code == 2
    assert "has no tasks of www.shop.example" in foreign.err
