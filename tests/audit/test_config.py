import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vestige.audit.cli.listing import template
from vestige.audit.config.config import AuditConfig, parse_config, read_config
from vestige.audit.workflows.demo import demo_config
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.training.recipe import Recipe

MINIMAL: dict[str, Any] = {"data": {"source": "digits"}, "forget": {"random": 10, "unseen": 20}}


def test_a_minimal_file_has_sensible_defaults() -> None:
    config = parse_config(MINIMAL)
    assert config.recipe == Recipe() and config.retrains.count == 5 and config.policy.profile == "standard"
    names = [spec.name for spec in config.candidates]
    assert names[:2] == ["no_op", "fresh_retrain"] and {"retrain", "finetune", "contrastive"} <= set(names)


def test_the_template_is_valid_and_its_comments_are_the_defaults() -> None:
    text = template()
    config = parse_config(tomllib.loads(text))
    assert config.recipe == demo_config().recipe and config.policy == demo_config().policy
    shown = {}
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.split("]")[0].strip("[")
        if line.startswith("# ") and " = " in line and section in ("", "recipe", "policy"):
            key, value = line[2:].split("#")[0].split("=", 1)
            shown[key.strip()] = tomllib.loads(f"value = {value}")["value"]
    plain = parse_config(MINIMAL)
    for key, value in shown.items():
        if key == "workers":
            continue  # the file names an example; the default depends on the machine
        owner: Any = next(one for one in (plain.recipe, plain.policy, plain) if hasattr(one, key))
        assert getattr(owner, key) == value, key


def changed(path: str, value: object) -> dict[str, Any]:
    content: dict[str, Any] = {key: dict(table) for key, table in MINIMAL.items()}
    *tables, last = path.split(".")
    inner = content
    for table in tables:
        inner = inner.setdefault(table, {})
    inner[last] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("colour", 1, "colour: expected one of the keys seed, device, workers, data"),
        ("data.sauce", "x", "data.sauce: expected one of the keys source, unseen_source, subset"),
        ("data.label_noise", 1.0, "data.label_noise: expected less than 1, got 1.0"),
        ("data.subset", 0, "data.subset: expected greater than or equal to 1, got 0"),
        ("data", "digits", r"data: expected a table \[data\], got 'digits'"),
        ("forget.classes", [1], "exactly one of the keys random, classes, subjects, file"),
        ("forget.random", -3, "forget.random: expected a whole number from 1, or a fraction between 0 and 1, got -3"),
        ("forget.random", 1.0, "forget.random: expected a whole number from 1, or a fraction between 0 and 1, got 1.0"),
        ("forget.random", True, "forget.random: expected a whole number from 1, or a fraction .*, got True"),
        ("forget.validation", "5", "forget.validation: expected a whole number from 0"),
        ("data.subset", "10", "data.subset: expected a valid integer, got '10'"),
        ("data.download", 1, "data.download: expected a valid boolean, got 1"),
        ("recipe.nesterov", "yes", "recipe.nesterov: expected a valid boolean, got 'yes'"),
        ("recipe", {"nesterov": True, "momentum": 0.0}, "recipe: expected a momentum above 0 beside nesterov"),
        (
            "unlearners.no_op",
            {"method": "finetune"},
            "unlearners.no_op: expected the control itself, got .*'finetune'",
        ),
        ("unlearners.soft", {"method": "neggrad_plus", "beta": 2}, "unlearners.soft.beta: expected less than or equal"),
        ("model.epochs", 3, "model.epochs: expected one of the keys architecture, width, got an unknown key"),
        ("recipe.epochs", 0, "recipe.epochs: expected greater than or equal to 1, got 0"),
        ("recipe.learning_rate", float("nan"), "recipe.learning_rate: expected .*, got nan"),
        ("recipe.schedule", "step", "recipe.schedule: expected 'cosine' or 'constant', got 'step'"),
        ("retrains.count", -1, "retrains.count: expected greater than or equal to 0, got -1"),
        ("retrains.count", "many", "retrains.count: expected a valid integer"),
        ("unlearners.magic", {}, "unlearners.magic: expected a method among .*finetune.*, got 'magic'"),
        (
            "unlearners.finetune",
            {"rate": -1},
            "unlearners.finetune.rate: expected greater than 0, got -1",
        ),
        ("unlearners.finetune", {"speed": 1}, "unlearners.finetune.speed.*unknown key"),
        ("unlearners.controls", "no", "unlearners.controls: expected true or false"),
        ("attacks.signals", ["aura"], "attacks: expected signals among .*aura is none of them"),
        ("policy.margin_auc", 0.7, "policy.margin_auc: expected less than 0.5, got 0.7"),
        ("policy.profile", "lax", "policy.profile: expected 'strict', 'standard' or 'screening', got 'lax'"),
        ("seed", -1, "seed: expected greater than or equal to 0, got -1"),
        ("workers", 0, "workers: expected greater than or equal to 1"),
    ],
)
def test_each_mistake_gets_one_sentence_with_the_keys_path(path: str, value: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parse_config(changed(path, value))
    assert "\n" not in str(caught.value) and caught.value.exit_code == 2


def test_missing_tables_are_named() -> None:
    with pytest.raises(ConfigError, match=r"forget: expected a table \[forget\], got none"):
        parse_config({"data": {"source": "digits"}})


def test_class_forgetting_leaves_out_methods_that_cannot_and_refuses_them_when_asked() -> None:
    content = {"data": {"source": "digits"}, "forget": {"classes": [3], "unseen": 20}}
    assert "lcodec" not in [spec.method for spec in parse_config(content).candidates]
    with pytest.raises(ConfigError, match="lcodec cannot forget by class"):
        parse_config({**content, "unlearners": {"lcodec": {}}})


def test_the_same_method_twice_under_two_names() -> None:
    unlearners = {"controls": False, "soft": {"method": "neggrad_plus", "beta": 0.99}, "neggrad_plus": {}}
    specs = parse_config({**MINIMAL, "unlearners": unlearners}).candidates
    assert [(spec.name, spec.method, spec.parameters) for spec in specs] == [
        ("soft", "neggrad_plus", {"beta": 0.99}),
        ("neggrad_plus", "neggrad_plus", {}),
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a readable audit file, got No such file"):
        read_config(tmp_path / "no.toml")
    broken = tmp_path / "audit.toml"
    broken.write_text("[data\n")
    with pytest.raises(ConfigError, match="expected TOML"):
        read_config(broken)
    broken.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="expected TOML"):
        read_config(broken)


@pytest.mark.parametrize(
    ("forget", "check"),
    [
        ({"random": 0.1, "unseen": 100}, lambda split: len(split.forget) == 180 and split.setting == "sample"),
        ({"classes": [3], "unseen": 40}, lambda split: len(split.unseen) == 40 and split.setting == "class"),
    ],
)
def test_loading_follows_the_forget_table(forget: dict[str, Any], check: Callable[[Any], bool]) -> None:
    config = parse_config({**MINIMAL, "forget": forget})
    examples, split = config.load_data(Path("."))
    assert check(split) and len(examples) == 1797


def test_seeds_of_data_and_split_follow_the_audits_unless_given() -> None:
    config = parse_config({**MINIMAL, "data": {"source": "digits", "label_noise": 0.1}})

    def both(one: AuditConfig) -> tuple[str, str]:
        examples, split = one.load_data(Path("."))
        return examples.fingerprint, split.fingerprint

    other = both(replace(config, seed=1))
    assert both(config) == both(config) and other[0] != both(config)[0] and other[1] != both(config)[1]
    pinned = replace(config, data=replace(config.data, seed=0), forget=replace(config.forget, seed=0))
    assert both(replace(pinned, seed=1)) == both(config)


def test_a_file_of_indices_beside_a_subset_is_refused() -> None:
    with pytest.raises(ConfigError, match="forget.file: expected no data.subset next to it"):
        parse_config({"data": {"source": "digits", "subset": 100}, "forget": {"file": "f.txt", "unseen": 10}})
