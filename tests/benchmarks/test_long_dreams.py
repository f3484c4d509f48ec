"""What benchmarks/long_dreams.py says of dreams whose faults are known."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import Tensor

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "long_dreams.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("long_dreams", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def there_and_back(frames: int = 61, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A window of 32 pixels that goes right by a pixel and back, over noise: frames (T, 3, 32, 32), places (T, 2)."""
    picture = torch.rand(3, 32, 160, generator=torch.Generator().manual_seed(seed))
    steps = [min(t, frames - 1 - t) for t in range(frames)]
    shown = torch.stack([picture[:, :, step : step + 32] for step in steps])
    return shown, torch.tensor([[0.0, -float(step)] for step in steps])


def test_what_comes_back_as_it_was_is_exact_and_else_it_is_not(script):
    frames, places = there_and_back()
    assert script.comes_back(frames, places) == pytest.approx(60)  # nothing differs, which counts as 60 dB
    assert script.comes_back(frames, 1.1 * places) < 15  # laid elsewhere, noise is on noise
    brighter = torch.cat([frames[:20], frames[20:] + 0.1])  # every pair is of both
    assert script.comes_back(brighter[:40], places[:40]) == pytest.approx(20)
    late = torch.cat([frames[:31], frames[31:] * 0])
    assert script.comes_back(late, places) < 15


def test_the_agent_is_not_compared_and_a_dream_that_never_comes_back_says_nothing(script):
    frames, places = there_and_back()
    frames[31:, :, 6:26, 6:26] = 0
    assert script.comes_back(frames, places) == pytest.approx(60)
    for away in ([0.0, -3.0], [-3.0, 0.0], [4.0, 4.0]):
        assert script.comes_back(frames, torch.tensor(away) * torch.arange(61)[:, None]).isnan()


def test_places_travel_and_colour_are_of_the_last_frame(script):
    dream, places = there_and_back(41)
    truth, true = dream.clone(), places.clone()
    truth[-1] -= torch.tensor([0.3, 0.0, 0.0])[:, None, None]
    true[-1] = torch.tensor([-4.0, 6.0])
    made = script.numbers(dream[None], truth[None], places[None], true[None])
    assert made["colour"].item() == pytest.approx(0.1)
    assert made["off sideways, pixels"].item() == 6
    assert made["off up or down, pixels"].item() == 4
    assert made["travel sideways, game"].item() == 6
    assert made["travel up or down, dream"].item() == 0
    assert made["PSNR of the last frame, dB"].item() == pytest.approx(-10 * torch.log10(torch.tensor(0.03)).item())
