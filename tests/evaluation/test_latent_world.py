"""`evaluate_file` on a world of latent actions: by the codes its own model reads, and by the buttons for them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from factories import make_tokenizer, tokenizer_of
from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.evaluation.config import EvalJobConfig
from genieredux.evaluation.job import evaluate_file
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
