"""The ledger of a training run: what it keeps, and what it refuses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.errors import DataError
from vestige.learners.training.architectures import build_classifier
from vestige.learners.training.batches import Batches
from vestige.learners.training.checkpoints import weights_digest
from vestige.learners.training.ledger import Ledger, LedgerWriter, flat_parameters, training_batches
from vestige.learners.training.recipe import Recipe
from vestige.learners.training.train import train
from vestige.learners.training.train_many import TrainJob, plan_groups, train_many

INDICES = np.arange(5, 55)  # with batches of 16: three full ones and one of two
CPU = torch.device("cpu")


@pytest.fixture(params=["mlp", "cnn"])
def recipe(request: pytest.FixtureRequest, mlp_recipe: Recipe, cnn_recipe: Recipe) -> Recipe:
    return mlp_recipe if request.param == "mlp" else cnn_recipe


def record(recipe: Recipe, examples: Examples, watched: Indices, folder: Path) -> tuple[Ledger, torch.nn.Module]:
    model = train(recipe, examples, INDICES, 3, CPU, ledger=LedgerWriter(folder, watched))
    return Ledger.read(folder), model


def test_all_updates_lead_back_to_the_initial_weights(recipe: Recipe, examples: Examples, tmp_path: Path) -> None:
    ledger, model = record(recipe, examples, INDICES, tmp_path / "ledger")
    assert len(ledger.members) == ledger.steps == 4 * recipe.epochs
    initial = flat_parameters(build_classifier(recipe, examples.shape, examples.classes, 3))
    start = flat_parameters(model) - ledger.total(np.arange(ledger.steps))
    assert np.abs(start - initial).max() < 1e-6
    assert np.abs(flat_parameters(model) - initial).max() > 1e-2


def test_recording_changes_no_bit_of_the_model(recipe: Recipe, examples: Examples, tmp_path: Path) -> None:
    ledger, model = record(recipe, examples, INDICES[:3], tmp_path / "ledger")
    assert weights_digest(model) == weights_digest(train(recipe, examples, INDICES, 3, CPU)) == ledger.weights


def test_a_sparse_ledger_keeps_the_same_updates_as_a_full_one(
    recipe: Recipe, examples: Examples, tmp_path: Path
) -> None:
    full, _ = record(recipe, examples, INDICES, tmp_path / "full")
    sparse, _ = record(recipe, examples, INDICES[[7]], tmp_path / "sparse")
    rows = full.batches_with(INDICES[[7]])
    assert len(rows) == recipe.epochs == len(sparse.members)  # an example is in one batch of an epoch
    assert np.array_equal(sparse.updates, full.updates[rows])
    assert all(np.array_equal(full.members[row], own) for row, own in zip(rows, sparse.members, strict=True))


def test_the_members_are_what_training_read(
    recipe: Recipe, examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[list[int]] = []
    take: Callable[..., tuple[torch.Tensor, torch.Tensor]] = Batches._take

    def listen(self: Batches, positions: torch.Tensor, views: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        read.append(INDICES[positions.numpy()].tolist())
        return take(self, positions, views)

    monkeypatch.setattr(Batches, "_take", listen)
    ledger, _ = record(recipe, examples, INDICES, tmp_path / "ledger")
    assert [own.tolist() for own in ledger.members] == read


def test_every_epoch_is_one_pass(recipe: Recipe) -> None:
    batches = list(training_batches(0, 50, recipe))
    assert len(batches) == 4 * recipe.epochs
    for epoch in range(recipe.epochs):
        assert sorted(np.concatenate(batches[4 * epoch : 4 * epoch + 4])) == list(range(50))


def test_only_the_wanted_rows_are_read(mlp_recipe: Recipe, examples: Examples, tmp_path: Path) -> None:
    ledger, _ = record(mlp_recipe, examples, INDICES, tmp_path / "ledger")
    path, rows = tmp_path / "ledger" / "updates.npy", ledger.batches_with(INDICES[:1])
    total = ledger.total(rows)
    spoiled = np.load(path)
    spoiled[np.setdiff1d(np.arange(ledger.steps), rows)] = np.nan
    np.save(path, spoiled)
    assert np.array_equal(Ledger.read(tmp_path / "ledger").total(rows), total)
    assert np.array_equal(ledger.total(np.zeros(0, dtype=np.int64)), np.zeros(ledger.updates.shape[1]))


def test_a_ledger_that_watches_nothing_trained_on_is_empty_and_whole(
    recipe: Recipe, examples: Examples, tmp_path: Path
) -> None:
    ledger, _ = record(recipe, examples, np.array([0, 1]), tmp_path / "ledger")
    assert len(ledger.members) == 0 and ledger.steps == 4 * recipe.epochs
    assert ledger.watched.tolist() == [0, 1]
    assert len(ledger.batches_with(INDICES)) == 0


def test_size_on_disk_is_known_beforehand(recipe: Recipe, examples: Examples, tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path / "ledger", INDICES[:2])
    network = build_classifier(recipe, examples.shape, examples.classes, 0)
    count = sum(parameter.numel() for parameter in network.parameters())
    needed = writer.bytes_needed(count, INDICES, recipe, 3)
    train(recipe, examples, INDICES, 3, CPU, ledger=writer)
    assert 0 <= (tmp_path / "ledger" / "updates.npy").stat().st_size - needed < 1000


def test_the_folder_is_whole_or_absent(mlp_recipe: Recipe, examples: Examples, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "ledger"

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(mlp_recipe, examples, INDICES, 3, CPU, progress=stop, ledger=LedgerWriter(folder, INDICES))
    assert not folder.exists()
    ledger, _ = record(mlp_recipe, examples, INDICES, folder)
    with pytest.raises(KeyboardInterrupt):
        train(mlp_recipe, examples, INDICES, 4, CPU, progress=stop, ledger=LedgerWriter(folder, INDICES))
    assert Ledger.read(folder).weights == ledger.weights
    again, model = record(mlp_recipe, examples, INDICES[:4], folder)
    assert again.weights == weights_digest(model) and len(again.watched) == 4
    assert [path.name for path in folder.parent.iterdir()] == ["ledger"]


def test_a_run_of_fewer_steps_than_planned_leaves_no_ledger(
    mlp_recipe: Recipe, examples: Examples, tmp_path: Path
) -> None:
    model = build_classifier(mlp_recipe, examples.shape, examples.classes, 3)
    writer = LedgerWriter(tmp_path / "ledger", INDICES)
    after_step = writer.watch(model, INDICES, mlp_recipe, 3)
    after_step(0)
    with pytest.raises(DataError, match="expected the updates of 12 batches, got 1"):
        writer.close(model)
    assert not list(tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="watch a training run"):
        writer.close(model)


@pytest.mark.parametrize("taken", [0, 1, 11, 13])
def test_so_does_one_in_which_nothing_watched_was_skipped(
    taken: int, mlp_recipe: Recipe, examples: Examples, tmp_path: Path
) -> None:
    model = build_classifier(mlp_recipe, examples.shape, examples.classes, 3)
    writer = LedgerWriter(tmp_path / "ledger", np.array([0, 1]))  # not trained on
    after_step = writer.watch(model, INDICES, mlp_recipe, 3)
    for step in range(taken):
        after_step(step)
    with pytest.raises(DataError, match=f"ledger: expected a run of 12 steps, got {taken}; train again"):
        writer.close(model)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_a_full_disk_is_one_sentence_and_leaves_nothing(mlp_recipe: Recipe, examples: Examples, tmp_path: Path) -> None:
    model = build_classifier(mlp_recipe, examples.shape, examples.classes, 3)
    writer = LedgerWriter(tmp_path / "ledger", INDICES)
    after_step = writer.watch(model, INDICES, mlp_recipe, 3)
    updates = tmp_path / ".ledger.part" / "updates.npy"
    updates.unlink()
    updates.symlink_to("/dev/full")
    with pytest.raises(DataError, match="cannot keep the ledger .*No space left.*; free disk space"):
        after_step(0)
    assert not list(tmp_path.iterdir())


def _remove(folder: Path) -> None:
    shutil.rmtree(folder)


def _remove_header(folder: Path) -> None:
    (folder / "ledger.json").unlink()


def _header_of_another_kind(folder: Path) -> None:
    (folder / "ledger.json").write_text("[1]")


def _header_without_steps(folder: Path) -> None:
    header = json.loads((folder / "ledger.json").read_text())
    del header["steps"]
    (folder / "ledger.json").write_text(json.dumps(header))


def _cut_updates(folder: Path) -> None:
    path = folder / "updates.npy"
    path.write_bytes(path.read_bytes()[:-9])


def _cut_members(folder: Path) -> None:
    path = folder / "batches.npz"
    path.write_bytes(path.read_bytes()[:50])


def _fewer_members(folder: Path) -> None:
    with np.load(folder / "batches.npz") as stored:
        arrays = dict(stored)
    np.savez(folder / "batches.npz", **{**arrays, "members": arrays["members"][:-1]})


@pytest.mark.parametrize(
    "damage",
    [
        _remove,
        _remove_header,
        _header_of_another_kind,
        _header_without_steps,
        _cut_updates,
        _cut_members,
        _fewer_members,
    ],
)
def test_a_missing_or_damaged_ledger_is_refused(
    damage: Callable[[Path], None], mlp_recipe: Recipe, examples: Examples, tmp_path: Path
) -> None:
    record(mlp_recipe, examples, INDICES, tmp_path / "ledger")
    damage(tmp_path / "ledger")
    with pytest.raises(DataError, match="ledger.*; record (it again|one while training)"):
        Ledger.read(tmp_path / "ledger")


def test_a_job_with_a_ledger_is_trained_alone_and_comes_out_the_same(
    mlp_recipe: Recipe, examples: Examples, tmp_path: Path
) -> None:
    jobs = [TrainJob(mlp_recipe, INDICES, seed) for seed in (0, 1, 2)]
    assert plan_groups(jobs) == [[0, 1, 2]]
    kept = TrainJob(mlp_recipe, INDICES, 0, ledger=LedgerWriter(tmp_path / "ledger", INDICES[:5]))
    assert plan_groups([kept, *jobs[1:]]) == [[0], [1, 2]]
    trained = {position: weights_digest(model) for position, model in train_many(examples, [kept, *jobs[1:]], CPU)}
    assert trained[0] == weights_digest(train(mlp_recipe, examples, INDICES, 0, CPU))
    assert Ledger.read(tmp_path / "ledger").weights == trained[0]
