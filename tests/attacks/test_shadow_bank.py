"""The bank on disk: BANK-06 to BANK-09, LN-05, LN-07; and what a method makes of it (UL-01 on real networks)."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.attacks.test_shadow_design import design
from vestige.attacks.metrics.roc import auc
from vestige.attacks.scores.lira_bank import lira_leave_pair_out
from vestige.attacks.scores.ulira import ulira_leave_pair_out
from vestige.attacks.shadows.design import ShadowDesign
from vestige.attacks.shadows.making import make_shadows, make_unlearned, read_shadows, read_unlearned, store_of
from vestige.attacks.signals.signals import logit
from vestige.learners.data.examples import Examples
from vestige.learners.engine.engines import Processes
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.training.augmentations import Augmentation
from vestige.learners.training.checkpoints import load_checkpoint

HERE = Processes(workers=1)


class Counting:
    """An engine that notes which models it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def run(self, work: Any, jobs: Sequence[Any], *, progress: Any = None) -> Iterator[tuple[int, Any]]:
        self.asked += [model for job in jobs for model in (job if isinstance(job, tuple) else [job])]
        return HERE.run(work, jobs, progress=progress)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[ShadowDesign, Path]:
    here = design(requests=np.arange(10, 22), augmentations=(Augmentation(), Augmentation(mirror=True)))
    root = tmp_path_factory.mktemp("shadows")
    make_shadows(here, root, 8, engine=HERE)
    return here, root


def test_a_bank_holds_what_its_models_said(made: tuple[ShadowDesign, Path]) -> None:
    here, root = made
    bank = read_shadows(here, root)
    assert len(bank) == 8 and bank.augmentations == ("identity", "mirror")
    assert bank.member.shape == (8, 30) and not bank.forgot.any()
    assert np.array_equal(bank.labels, here.examples.labels[here.rows])
    for table, logits, member, inside, outside in zip(
        bank.phi, bank.logits, bank.member, bank.accuracy_in, bank.accuracy_out, strict=True
    ):
        assert logits.shape == (2, 30, 3) and isinstance(logits, np.memmap)
        assert np.allclose(table, logit(logits, bank.labels), rtol=1e-6)
        right = logits[0].argmax(1) == bank.labels
        assert (inside, outside) == (right[member].mean(), right[~member].mean())
    assert (bank.seconds > 0).all() and (bank.flops > 0).all()
    assert len({table.tobytes() for table in bank.phi}) == 8
    described = json.loads((bank.folder / "design.json").read_text())
    assert described["pool"]["size"] == 50 and described["views"] == ["identity", "mirror"]


def test_bank_05_06_it_grows_by_what_is_missing_and_has_nothing_to_do_afterwards(tmp_path: Path) -> None:
    engine = Counting()
    few = make_shadows(design(), tmp_path, 4, engine=engine)
    more = make_shadows(design(), tmp_path, 10, engine=engine)
    assert engine.asked == list(range(10))
    assert [a.tobytes() for a in few.phi] == [a.tobytes() for a in more.phi[:4]]
    again = make_shadows(design(), tmp_path, 6, engine=engine)
    assert len(again) == 6 and engine.asked == list(range(10))
    at_once = make_shadows(design(), tmp_path / "other", 10, engine=HERE)
    assert [a.tobytes() for a in at_once.logits] == [a.tobytes() for a in more.logits]


def test_bank_07_what_is_finished_survives_a_kill(tmp_path: Path) -> None:
    here = design()
    here_store = store_of(here, tmp_path)

    class OneByOne(Counting):
        def run(self, work: Any, jobs: Sequence[Any], *, progress: Any = None) -> Iterator[tuple[int, Any]]:
            for place, job in enumerate(jobs):
                if place == 1:
                    raise KeyboardInterrupt
                yield from ((place, result) for _, result in HERE.run(work, [job]))

    from vestige.attacks.shadows import making

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(making, "DENSE_CHUNK", 3)
        make_shadows(here, tmp_path, 8, engine=OneByOne())
    assert [here_store.has(model) for model in range(4)] == [True, True, True, False] and here_store.pairs() == 2
    (here_store.folder / ".shadow-00003.999999999.part").mkdir()
    # Killed while a model was being exchanged for itself with weights: the old one comes back.
    here_store.place(2).rename(here_store.folder / ".shadow-00002.999999999.old.part")
    with pytest.raises(DataError, match="expected 8 finished models of this audit in .*, got 2; make them"):
        read_shadows(here, tmp_path, 8)
    assert len(read_shadows(here, tmp_path)) == 2  # whole pairs only
    engine = Counting()
    make_shadows(here, tmp_path, 8, engine=engine)
    assert engine.asked == [3, 4, 5, 6, 7] and not list(here_store.folder.glob(".shadow*"))


@pytest.mark.parametrize("damage", ["truncate", "flip", "other shape", "no digest", "not json"])
def test_bank_08_a_damaged_model_is_refused_in_one_sentence(tmp_path: Path, damage: str) -> None:
    before = np.array(make_shadows(design(), tmp_path, 2, engine=HERE).phi[1])
    place = store_of(design(), tmp_path).place(1)
    file = place / ("answers.json" if damage in ("no digest", "not json") else "logits.npy")
    content = file.read_bytes()
    if damage == "truncate":
        file.write_bytes(content[:-4])
    elif damage == "flip":
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "other shape":
        np.save(file, np.zeros((1, 29, 3), np.float32))
    else:
        file.write_bytes(b"{}" if damage == "no digest" else b"{")
    with pytest.raises(DataError, match="shadow-00001: not a whole shadow .*vestige shadows makes it again"):
        read_shadows(design(), tmp_path)
    engine = Counting()
    made = make_shadows(design(), tmp_path, 2, engine=engine)
    assert engine.asked == [1] and np.array_equal(made.phi[1], before)


def test_bank_10_a_model_in_another_place_or_bank_is_refused(tmp_path: Path) -> None:
    make_shadows(design(), tmp_path, 4, engine=HERE, keep_weights=True)
    other = replace(design(), seed=1)
    make_shadows(other, tmp_path, 4, engine=HERE)
    here, there = store_of(design(), tmp_path), store_of(other, tmp_path)
    here.place(0).rename(tmp_path / "first")
    here.place(1).rename(here.place(0))
    (tmp_path / "first").rename(here.place(1))
    with pytest.raises(DataError, match="shadow-00000: not a whole shadow .it holds model 1 of design"):
        read_shadows(design(), tmp_path)
    shutil.rmtree(there.place(2))
    shutil.copytree(here.place(2), there.place(2))
    with pytest.raises(DataError, match=f"it holds model 2 of design {design().key}"):
        read_shadows(other, tmp_path)
    weights = here.weights(3)
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="weights.safetensors is not what was written"):
        here.read_weights(3)


def test_bank_09_10_numbers_and_settings_must_fit(made: tuple[ShadowDesign, Path]) -> None:
    here, root = made
    with pytest.raises(DataError, match="expected 254 finished models of this audit in .*, got 8"):
        read_shadows(here, root, 254)
    with pytest.raises(DataError, match="expected at least 2 finished models .* got 0"):
        read_shadows(replace(here, recipe=replace(here.recipe, epochs=3)), root)
    for count in (0, 3):
        with pytest.raises(ConfigError, match=f"an even number of at least 2, got {count}"):
            make_shadows(here, root, count, engine=HERE)


def test_ln_05_pixels_that_a_shadow_does_not_train_on_do_not_enter_it(tmp_path: Path) -> None:
    here = design(augmentations=(Augmentation(),))
    own = here.trained_on(0)
    images = here.examples.images.copy()
    images[np.setdiff1d(np.arange(60), own)] = 0
    other = replace(here, examples=replace(here.examples, images=images))
    first, second = (make_shadows(one, tmp_path, 2, engine=HERE, keep_weights=True).folder for one in (here, other))
    weights = [
        load_checkpoint(folder / "shadow-00000" / "weights.safetensors", __import__("torch").device("cpu"))[0]
        for folder in (first, second)
    ]
    for one, two in zip(weights[0].state_dict().values(), weights[1].state_dict().values(), strict=True):
        assert np.array_equal(one.numpy(), two.numpy())


def test_rows_can_be_taken_and_foreign_ones_are_refused(made: tuple[ShadowDesign, Path]) -> None:
    bank = read_shadows(*made)
    rows = np.array([30, 12, 25])
    part = bank.at(rows)
    places = [int(np.flatnonzero(bank.rows == row)[0]) for row in rows]
    assert np.array_equal(part.phi[3], bank.phi[3][:, places]) and np.array_equal(part.member, bank.member[:, places])
    assert np.array_equal(part.logits_of(3), bank.logits[3][:, places]) and isinstance(part.logits[3], np.memmap)
    fewer = part.at(rows[[2, 0]])
    assert np.array_equal(fewer.logits_of(3, 1), bank.logits[3][1, [places[2], places[0]]])
    with pytest.raises(DataError, match="expected outputs on all 2 audited examples, 1 are not in the bank"):
        bank.at(np.array([12, 50]))


def test_ul_01_a_method_that_does_nothing_gives_lira_on_real_networks(made: tuple[ShadowDesign, Path]) -> None:
    here, root = made
    nothing = {"validation": np.arange(55, 60), "setting": "sample"}
    after = make_unlearned(here, root, 8, "no_op", {}, engine=HERE, **nothing)  # type: ignore[arg-type]
    before = read_shadows(here, root)
    assert [a.tobytes() for a in after.logits] == [a.tobytes() for a in before.logits]
    asked = np.isin(here.rows, here.requests)
    assert np.array_equal(after.forgot, before.member & asked) and np.array_equal(after.member, before.member)
    phi = [table[:, asked] for table in after.phi]
    member = after.member[:, asked]
    game = ulira_leave_pair_out(phi, after.forgot[:, asked], phi, ~member)
    plain = lira_leave_pair_out([table[:, asked] for table in before.phi], member)
    assert np.allclose(game.scores, plain.scores, atol=1e-9)
    again = Counting()
    make_unlearned(here, root, 8, "no_op", {}, engine=again, **nothing)  # type: ignore[arg-type]
    assert again.asked == [] and len(read_unlearned(here, root, "no_op", {}, **nothing)) == 8  # type: ignore[arg-type]


def test_a_method_runs_on_each_shadow_and_forgets_its_own_requests(made: tuple[ShadowDesign, Path]) -> None:
    here, root = made
    about = {"validation": np.arange(55, 60), "setting": "sample"}
    after = make_unlearned(here, root, 4, "finetune", {"share": 1.0}, engine=HERE, **about)  # type: ignore[arg-type]
    before = read_shadows(here, root, 4)
    assert not any(np.array_equal(a, b) for a, b in zip(after.phi, before.phi, strict=True))
    kept = make_shadows(here, root / "kept", 4, engine=HERE, keep_weights=True)
    assert (kept.folder / "shadow-00002" / "weights.safetensors").is_file()
    same = make_unlearned(here, root / "kept", 4, "finetune", {"share": 1.0}, engine=HERE, **about)  # type: ignore[arg-type]
    assert [a.tobytes() for a in same.phi] == [a.tobytes() for a in after.phi]  # kept weights or trained anew
    other = make_unlearned(here, root, 4, "finetune", {"share": 0.5}, engine=HERE, **about)  # type: ignore[arg-type]
    assert other.folder != after.folder


def test_methods_and_designs_that_do_not_fit_are_refused(made: tuple[ShadowDesign, Path]) -> None:
    here, root = made
    about: dict[str, Any] = {"validation": np.arange(55, 60), "setting": "sample", "engine": HERE}
    with pytest.raises(DataError, match="amnesiac: expected a method that needs the model and the data alone"):
        make_unlearned(here, root, 4, "amnesiac", {}, **about)
    with pytest.raises(DataError, match="expected requests to unlearn in the design, got none"):
        make_unlearned(design(), root, 4, "finetune", {}, **about)
    with pytest.raises(ConfigError, match="finetune.rat"):
        make_unlearned(here, root, 4, "finetune", {"rat": 1.0}, **about)


@pytest.mark.slow
def test_more_shadows_tell_more_on_digits(tmp_path: Path) -> None:
    from vestige.learners.data.sources.load import load_examples
    from vestige.learners.training.recipe import Recipe

    examples: Examples = load_examples("digits").with_label_noise(0.2, 0)
    rows = np.arange(600)
    recipe = Recipe(architecture="mlp", width=64, epochs=30, batch_size=32, learning_rate=0.05, weight_decay=0.0)
    here = ShadowDesign(examples=examples, recipe=recipe, pool=rows, rows=rows)
    bank = make_shadows(here, tmp_path, 32, engine=HERE)
    areas = {}
    for count in (8, 16, 32):
        scores = lira_leave_pair_out(bank.phi[:count], bank.member[:count], variance="fixed").scores[:8]
        areas[count] = np.mean(
            [auc(row[inside], row[~inside]) for row, inside in zip(scores, bank.member, strict=False)]
        )
    assert 0.6 < areas[8] < areas[16] < areas[32]
