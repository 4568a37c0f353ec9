"""What docs/how-to tells people to type is run as they would, in a copy of the project."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest
import yaml

from grabient_assets.asking.jobs import CancelConfig
from grabient_assets.definitions import grabient
from grabient_assets.groups.refinement.assets import RefineConfig
from grabient_assets.groups.tagging.assets import AskConfig
from grabient_assets.registry.load import DATA, load_registry
from grabient_assets_tests.cli.running import palettes
from grabient_assets_tests.docs.how_to import HOW_TO, commands
from grabient_assets_tests.docs.project_copy import Copy
from grabient_assets_tests.pipeline.place import emulator_ended_after


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Copy]:
    made = Copy(tmp_path)
    with emulator_ended_after(made.data):
        yield made


@pytest.mark.slow
def test_adding_a_prompt_version(copy: Copy) -> None:
    assert copy.run("cp", "-r", "prompts/v2", "prompts/v3").code == 0
    tagging = copy.root / "prompts" / "v3" / "tagging.md"
    text = tagging.read_text(encoding="utf-8").replace("message: ", "message: Shorter; ")
    tagging.write_text(text.replace("No synonyms beside each other (calm, peaceful), ", ""), encoding="utf-8")
    sample = copy.root / "sample.txt"
    loaded = copy.grabient("load", str(palettes(copy.root, 2)))
    assert loaded.code == 0, loaded.err
    lines = [json.loads(line) for line in palettes(copy.root, 2).read_text(encoding="utf-8").splitlines()]
    sample.write_text("".join(f"{line.get('id') or line['seed']}\n" for line in lines), encoding="utf-8")

    listed, first, second, diff, release = commands("add-a-prompt-version.md")
    shown = copy.run(*listed)
    for line in ("v1 tagging, released, ", "v2 tagging, released, ", "v3 tagging, draft, "):
        assert re.search(line, shown.out), shown.err
    live = copy.grabient("run", "--prompt-version", "v3", GRABIENT_MODE="live", GROQ_API_KEY="gsk_x")
    assert live.code == 1 and "Prompt version v3 is a draft, and drafts run only against the emulator." in live.err
    for run in (first, second):
        ended = copy.run(*run, TAG_ANALYSIS_COUNT="1")
        assert ended.code == 0, ended.err
        assert "Model claude-opus" not in ended.err, "the refiner is not asked before the consensus"

    differs = copy.run(*diff, "--json")
    figures = differs.json["tagging"]["figures"]
    assert (figures["palettes"], figures["models"]) == (2, 10)
    assert "-- says something new. No synonyms beside" in "".join(differs.json["tagging"]["text"])
    assert set(figures["first"]["agreement"]) == {"temperature", "contrast", "brightness", "saturation"}
    assert figures["first"]["input_tokens"] > figures["second"]["input_tokens"], "a shorter prompt"
    assert 0 < figures["second"]["usd_per_answer"] < figures["first"]["usd_per_answer"] * 2
    assert differs.json["refinement"] == {"text": [], "figures": None}

    uses = {(row["prompt_version"], row["purpose"]): row["runs"] for row in copy.run(*listed, "--json").json["prompts"]}
    assert [(u["mode"], u["requests"], u["batches"]) for u in uses["v3", "tagging"]] == [("emulator", 20, 10)]
    assert uses["v3", "refinement"] == []

    assert copy.run(*release).code == 0
    released = tomllib.loads((copy.root / "prompts" / "released.toml").read_text(encoding="utf-8"))
    assert released.keys() == {"v1", "v2", "v3"}
    tagging.write_text(text, encoding="utf-8")
    edited = copy.run(*listed)
    assert edited.code == 1 and "prompts/v3/tagging.md is released, and what it says" in edited.err


def test_adding_a_model(copy: Copy) -> None:
    page = (HOW_TO / "add-a-model.md").read_text(encoding="utf-8")
    entry = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert entry is not None
    file = copy.root / "grabient_assets" / "registry" / "data" / "groq.toml"
    before = file.read_text(encoding="utf-8")
    place = before.index('[[models]]\nid = "qwen/qwen3-32b"')
    wrong = copy_with(file, before, place, entry[1].replace('family = "gpt-oss"', 'kind = "gpt-oss"'))
    every, check = commands("add-a-model.md")
    refused = copy.run(*every)
    assert refused.code == 1
    assert f"groq.toml, line {wrong}: model openai/gpt-oss-240b, `models.5.kind`: unknown key" in refused.err

    copy_with(file, before, place, entry[1].replace("panel = false", "panel = true"))
    shown = copy.run(*every)
    assert shown.code == 0 and re.search(r"openai/gpt-oss-240b +tagger +0\.1 +0\.4", shown.out), shown.err
    checked = copy.run(*check, "--json")
    assert checked.code == 0, checked.err
    served = {row["model"]: row["served"] for row in checked.json["models"]}
    assert len(served) == 12 and served["openai/gpt-oss-240b"] == "served"
    (model,) = (m for m in load_registry(file.parent).panel() if m.id == "openai/gpt-oss-240b")
    batch = model.prices[0].batch
    assert batch is not None and batch.output == Decimal("0.40")


def copy_with(file: Path, text: str, place: int, entry: str) -> int:
    """Put the entry into the text; returns the line of its key `kind`, 0 without one."""
    whole = text[:place] + entry + "\n" + text[place:]
    file.write_text(whole, encoding="utf-8")
    return next((number for number, line in enumerate(whole.splitlines(), 1) if line.startswith("kind =")), 0)


def test_every_key_of_a_model_entry_is_explained() -> None:
    """The keys that need an explanation: all that the shipped files use and that do not explain themselves."""
    page = (HOW_TO / "add-a-model.md").read_text(encoding="utf-8")
    used = {
        key
        for file in DATA.glob("*.toml")
        for model in tomllib.loads(file.read_text(encoding="utf-8"))["models"]
        for key in model
    }
    assert {key for key in used if key not in page} == set()


def test_the_run_configs_are_all_that_can_be_said() -> None:
    """Every field of a config stands on the page, and what stands there can be launched."""
    page = (HOW_TO / "configure-a-run.md").read_text(encoding="utf-8")
    shown = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    definitions = grabient()
    configs = {
        "openai_tag_batches": ("submit_tagging", AskConfig),
        "refinement_batches": ("submit_refinement", RefineConfig),
        "stop_and_collect": ("cancel_batch", CancelConfig),
    }
    assert [next(iter(config["ops"])) for config in shown] == list(configs)
    for config, (name, (job, fields)) in zip(shown, configs.items(), strict=True):
        assert set(config["ops"][name]["config"]) == set(fields.model_fields) - {"send_due"}
        assert dg.validate_run_config(definitions.resolve_job_def(job), config)
        config["ops"][name]["config"]["no_such_key"] = 1
        with pytest.raises(dg.DagsterInvalidConfigError, match="no_such_key"):
            dg.validate_run_config(definitions.resolve_job_def(job), config)
