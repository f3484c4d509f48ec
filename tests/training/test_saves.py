"""Which checkpoint a run goes on from."""

import pytest
import torch

from genieredux.errors import UserError
from genieredux.models.checkpoint import save_model
from genieredux.training.loop.saves import Position, Saves


def write_pair(saves: Saves, step: int) -> None:
    saves.write_state(Position(step=step, elapsed=float(step)), {"x": torch.tensor(step)})
    save_model(saves.model_path(step), "fake", {}, {"w": torch.tensor(step)}, step=step)


@pytest.fixture
def saves(tmp_path):
    saves = Saves(tmp_path / "run", keep_last=2)
    for step in (90, 100, 1000):
        write_pair(saves, step)
    return saves


def test_steps_are_numbers_not_names(saves):
    assert saves.steps() == [90, 100, 1000]


def test_prune_keeps_the_newest_and_the_best(saves):
    save_model(saves.best_path, "fake", {}, {})
    saves.prune()
    names = sorted(path.name for path in saves.folder.iterdir())
    assert names == ["model-100.pt", "model-1000.pt", "model-best.pt", "state-100.pt", "state-1000.pt"]


def test_auto_takes_the_newest_whole_pair(saves):
    save_model(saves.model_path(2000), "fake", {}, {}, step=2000)  # its state was never written
    found = saves.find("auto", "fake")
    assert found.position == Position(step=1000, elapsed=1000.0)
    assert found.state["x"] == 1000


def test_auto_starts_afresh_in_an_empty_folder(tmp_path):
    assert Saves(tmp_path / "none", 1).find("auto", "fake") is None


def test_never_does_not_overwrite(saves, tmp_path):
    with pytest.raises(UserError, match="already has checkpoints up to step 1000"):
        saves.find("never", "fake")
    assert Saves(tmp_path / "none", 1).find("never", "fake") is None


@pytest.mark.parametrize("name", ["model-1000.pt", "state-1000.pt"])
def test_a_damaged_newest_is_named_with_the_one_before(saves, name):
    path = saves.folder / name
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=rf"{name} is damaged.*\(step 100\): train\.resume=previous"):
        saves.find("auto", "fake")
    found = saves.find("previous", "fake")
    assert found.position.step == 100
    assert saves.steps() == [90, 100]  # the later ones are set aside, so the next resume does not meet them
    assert (saves.folder / (name + ".aside")).is_file()
    assert saves.find("auto", "fake").position.step == 100


@pytest.mark.parametrize(("best", "stays"), [(90, True), (100, True), (1000, False), (None, False)])
def test_the_best_of_what_is_set_aside_goes_with_it(saves, best, stays):
    for step in saves.steps():
        position = Position(step, elapsed=1.0, best_loss=0.5, best_step=90)
        saves.write_state(position, {})
    if best is not None:
        save_model(saves.best_path, "fake", {}, {}, step=best)
    found = saves.find("previous", "fake").position
    assert saves.best_path.is_file() is stays
    assert (found.best_loss, found.best_step) == ((0.5, 90) if stays else (None, None))
    assert (saves.folder / "model-best.pt.aside").is_file() is (best == 1000)


def test_previous_needs_one(tmp_path):
    saves = Saves(tmp_path / "run", keep_last=2)
    with pytest.raises(UserError, match=r"has no checkpoint; set train.resume=auto"):
        saves.find("previous", "fake")
    write_pair(saves, 5)
    with pytest.raises(UserError, match="has only that of step 5"):
        saves.find("previous", "fake")


class Evil:
    """Pickles to a call that leaves a file behind."""

    def __init__(self, target) -> None:
        self.target = target

    def __reduce__(self):
        return (open, (str(self.target), "w"))


@pytest.mark.parametrize("name", ["model-1000.pt", "state-1000.pt"])
def test_a_file_with_code_in_it_is_refused_and_not_run(saves, tmp_path, name):
    torch.save({"format": "genieredux", "checksum": "", "x": Evil(tmp_path / "ran")}, saves.folder / name)
    with pytest.raises(UserError, match=f"{name} holds more than tensors and plain values"):
        saves.find("auto", "fake")
    assert not (tmp_path / "ran").exists()


def test_a_path_may_be_a_folder_or_lie_elsewhere(saves, tmp_path):
    other = Saves(tmp_path / "other", 1)
    assert other.find(str(saves.folder), "fake").position.step == 1000
    assert other.find(str(saves.state_path(90)), "fake").position.step == 90
    assert saves.steps() == [90, 100, 1000]
    for wrong in (tmp_path, saves.best_path):
        with pytest.raises(UserError, match=r"train\.resume"):
            other.find(str(wrong), "fake")
    with pytest.raises(UserError, match=r"no checkpoint at .*model-91\.pt; nearest"):
        other.find(str(saves.model_path(91)), "fake")


def test_another_kind(saves):
    with pytest.raises(UserError, match="holds a 'fake', but a 'tokenizer'"):
        saves.find("auto", "tokenizer")


def test_a_pair_of_different_steps(saves):
    saves.state_path(90).rename(saves.state_path(1000))
    with pytest.raises(UserError, match="belongs to step 90"):
        saves.find(str(saves.model_path(1000)), "fake")


def test_unfinished_writes_are_cleared(saves):
    left = saves.folder / ".model-1001.pt.unfinished-7"
    left.write_bytes(b"half")
    saves.find("auto", "fake")
    assert not left.exists()
