"""`evaluate_file` on a world of latent actions: by the codes its own model reads, and by the buttons for them."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from factories import make_tokenizer, tokenizer_of
from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.evaluation.config import EvalJobConfig
from genieredux.evaluation.job import evaluate_file
from genieredux.evaluation.metrics.mapping import CodesToActions
from genieredux.evaluation.rows import MODEL, OTHER_CODE, REPEAT_PREVIOUS
from genieredux.evaluation.subjects.latent import LatentActions
from genieredux.models.build import build_model
from genieredux.models.checkpoint import save_model
from genieredux.models.latent.mapping import ActionMapping

CODES = 4


def write_world(path: Path, dataset: Dataset, mapped: bool) -> Path:
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    config = {
        "lam": {
            "architecture": "conv",
            "image_size": dataset.spec.image_size,
            "dim": 8,
            "width": 8,
            "codebook_size": CODES,
        },
        "dynamics": {
            "architecture": "st_maskgit",
            "dim": 16,
            "blocks": 1,
            "heads": 2,
            "dim_head": 8,
            "conditioning": "add",
        },
    }
    model = build_model("genie_redux", config, tokenizer=tokenizer)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    about: dict[str, Any] = {"action_names": [f"LATENT_{k}" for k in range(CODES)]}
    if mapped:
        names = dataset.spec.action_names
        counts = np.eye(CODES, len(names), dtype=np.int64)
        about["action_mapping"] = ActionMapping(counts, names).to_json()
    sections = {"tokenizer": tokenizer_of(tokenizer).section}
    return save_model(path, model.kind, model.config, model.state_dict(), metadata=about, sections=sections)


def settings(world: Path, tmp_path: Path, **changes: Any) -> EvalJobConfig:
    values: dict[str, Any] = {
        "model_fpath": str(world),
        "num_clips": 4,
        "resamples": 50,
        "keep_clips": 2,
        "precision": "32",
        "metrics": (),
        "save_root_dpath": str(tmp_path / "out"),
    }
    return EvalJobConfig(**{**values, **changes})


@pytest.fixture
def dataset(toy: Any) -> Dataset:
    return Dataset.open(str(toy.dataset))


def test_codes_and_buttons(dataset: Dataset, tmp_path: Path) -> None:
    world = write_world(tmp_path / "model-1.pt", dataset, mapped=True)
    buttons = json.loads(evaluate_file(settings(world, tmp_path), dataset).results.read_text())
    codes = json.loads(evaluate_file(settings(world, tmp_path, latent_actions=True), dataset).results.read_text())
    truth = buttons["test.random"]["psnr"]
    assert truth["repeat_last"] == codes["test.random"]["psnr"]["repeat_last"]  # the same clips
    assert truth["model"] != codes["test.random"]["psnr"]["model"]
    assert set(codes["test.random"]["breakdown"]["action"]) <= {f"LATENT_{k}" for k in range(CODES)}
    assert set(buttons["test.random"]["breakdown"]["action"]) <= set(dataset.spec.action_names)


def test_a_world_that_was_never_counted_takes_codes_only(dataset: Dataset, tmp_path: Path) -> None:
    world = write_world(tmp_path / "model-1.pt", dataset, mapped=False)
    with pytest.raises(UserError, match=r"latent_actions=true"):
        evaluate_file(settings(world, tmp_path), dataset)
    evaluate_file(settings(world, tmp_path, latent_actions=True), dataset)


def test_a_world_of_true_actions_has_no_codes(toy: Any, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no latent actions"):
        evaluate_file(settings(toy.world, tmp_path, latent_actions=True), dataset)


class Coded:
    """A latent action model whose codes are written in the frames, and which draws the code that it is given."""

    num_codes = 3

    def to(self, device):
        return self

    def actions(self, frames):
        return frames[:, 1:, 0, 0, 0].long()

    def reconstruct(self, frames, ids):
        return torch.zeros_like(frames[:, 1:]) + ids[..., None, None, None]


def test_each_row_is_drawn_by_its_code():
    frames = torch.randint(3, (40, 6, 3, 2, 2), generator=torch.Generator().manual_seed(0)).float()
    batch = SimpleNamespace(prompt_frames=2, as_floats=frames, indices=range(40), truth=frames[:, 2:])
    drawn = LatentActions(Coded(), "cpu", "32").draw(batch, seed=0)
    own, other = (drawn.rows[row][..., 0, 0, 0] for row in (MODEL, OTHER_CODE))
    assert torch.equal(own, frames[:, 2:, 0, 0, 0])
    assert (own != other).all()
    assert set(other.flatten().tolist()) == {0, 1, 2}
    assert torch.equal(drawn.rows[REPEAT_PREVIOUS], frames[:, 1:-1])


def test_codes_are_counted_on_even_clips_and_tested_on_the_others():
    actions = np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0], [1, 0, 0]])
    codes = np.array([[0, 1, 1], [1, 1, 0], [1, 0, 0], [0, 1, 1]])
    known = SimpleNamespace(index=pa.table({"split": ["test"]}))
    setting = SimpleNamespace(dataset=known, subject=SimpleNamespace(num_codes=2))
    interval = SimpleNamespace(estimate=lambda right: SimpleNamespace(to_json=lambda: right.tolist()))
    of = SimpleNamespace(
        clips=SimpleNamespace(actions=actions), action_names=("A", "B"), bootstrap=lambda rows: interval
    )
    found = CodesToActions(setting).pool([codes[:2], codes[2:]], of)
    assert found["to_true"] == ["A", "B"]
    assert found["transitions"] == 6
    assert found["accuracy"] == pytest.approx(1 / 6)
    assert found["majority"] == pytest.approx(5 / 6)
    assert found["accuracy_interval"] == pytest.approx([1 / 3, 0])
