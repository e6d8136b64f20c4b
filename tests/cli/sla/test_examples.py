"""Each example agreement runs on what the lab's agent stored, and each clause of its paper stands in docs/sla.md."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
import yaml

from probe.sla.agreement_files import shipped_profiles
from probe.sla.write import report_schema
from tests.fixtures.frozen import unpacked
from tests.interface.command import cdn_probe

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "config" / "agreements").glob("*.yaml"))
BY_SPANS = {"b-cdn-annex", "c-network-agreement", "e-leased-line"}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked("copy", tmp_path_factory.mktemp("fixture"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_runs_on_results_of_the_lab(copy: Path, file: Path) -> None:
    """A few minutes of a lab keep nothing of a month or a year."""
    done = cdn_probe("sla", "report", file, copy, "--format", "json")
    assert done.code in (1, 3), done.err
    report = json.loads(done.out)
    jsonschema.Draft202012Validator(report_schema()).validate(report)
    assert report["contract"]["profile"] in shipped_profiles()
    subjects = {subject["domain"]: subject for subject in report["subjects"]}
    subject = subjects["www.shop.example"]
    assert subject["incidents"], "the lab breaks things"
    assert all(one["rows"] for one in subject["incidents"])
    if file.stem in BY_SPANS:
        assert subject["down"]
        assert subject["allowed_us"] > 0
    elif file.stem == "d-acceptance":
        assert {one["name"] for one in subject["criteria"]} >= {
            "response-time",
            "availability",
            "access-control",
        }
    else:
        assert subject["grains"]["due"] > 100
        assert subject["grains"]["unknown_requests"] > 100, "nobody vouched for the clock of these rows"
    assert cdn_probe("sla", "report", file, copy, "--language", "zh").code == done.code


@pytest.mark.parametrize("profile", shipped_profiles())
def test_each_clause_is_walked_through_on_the_page(profile: str) -> None:
    page = (ROOT / "docs" / "sla.md").read_text(encoding="utf-8")
    section = page.partition(f"(`{profile}`)")[2].partition("\n## ")[0]
    text = (resources.files("probe.core.sla.contract") / "profiles" / f"{profile}.yaml").read_text("utf-8")
    missing = [clause["zh"] for clause in yaml.safe_load(text)["clauses"] if clause["zh"] not in section]
    assert missing == []
