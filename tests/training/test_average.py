"""The moving average of the weights, by hand, and that a training keeps, saves and restores it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from genieredux.models.checkpoint import read_tensors
from genieredux.training.loop.ema import WeightAverage
from toy_runs import CONFIG, OPTIMIZER, new_model, train


def one_weight(value: float) -> nn.Linear:
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(value)
    return model


@pytest.mark.parametrize("decay", [0.5, 0.9])
def test_each_update_keeps_the_decayed_average(decay: float) -> None:
    model = one_weight(1.0)
    average, expected = WeightAverage(model, decay), 1.0
    for update in range(1, 30):
        with torch.no_grad():
            model.weight.fill_(float(update))
        average.update()
        kept = min(decay, (1 + update) / (10 + update))
        expected = kept * expected + (1 - kept) * update
        assert average.values["weight"].item() == pytest.approx(expected, rel=1e-5)
    with average.in_place():
        assert model.weight.item() == pytest.approx(expected, rel=1e-5)
    assert model.weight.item() == 29


def test_what_is_saved_is_the_average_of_the_weights_that_are_trained(tmp_path: Path) -> None:
    begin = {name: value.clone() for name, value in new_model().state_dict().items()}
    train(tmp_path, replace(CONFIG, ema_decay=0.999, num_train_steps=4, save_model_every=4))
    saved = read_tensors(tmp_path / "model-4.pt")["model"]["state_dict"]
    state = read_tensors(tmp_path / "state-4.pt")["values"]
    moved = [name for name, _ in new_model().named_parameters()]  # buffers are copied, not averaged
    behind = 0
    for name in moved:
        whole, part = state["weights"][name] - begin[name], saved[name] - begin[name]
        if whole.abs().max() > 1e-6:
            behind += 1
            assert 0 < part.norm() < whole.norm(), f"{name} is not on the way from its beginning to where it is trained"
    assert behind


def test_a_gradient_is_cut_to_the_largest_norm(tmp_path: Path) -> None:
    """Plain descent would show the norm itself; Adam's moments keep it: after one step they hold a tenth of it."""
    norms = {}
    for limit in (1e-3, None):
        folder = tmp_path / str(limit)
        optimizer = replace(OPTIMIZER, max_grad_norm=limit)
        train(folder, replace(CONFIG, num_train_steps=1, save_model_every=1), optimizer=optimizer)
        moments = read_tensors(folder / "state-1.pt")["values"]["optimizer"]["state"]
        squares = [entry["exp_avg"].square().sum() for entry in moments.values()]
        norms[limit] = torch.stack(squares).sum().sqrt().item() / (1 - OPTIMIZER.betas[0])
    assert norms[None] > 1e-2
    assert norms[1e-3] == pytest.approx(1e-3, rel=1e-3)
