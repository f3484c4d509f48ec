"""A metric of one's own is a class and a name; and each of the small ones says the right value."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from genieredux.errors import UserError
from genieredux.evaluation.metrics import find
from genieredux.evaluation.metrics.action_following import follows
from genieredux.evaluation.metrics.frechet import frechet_distance
from genieredux.evaluation.metrics.metric import Setting
from genieredux.evaluation.metrics.opening import open_metrics
from genieredux.evaluation.metrics.random_frechet import RandomFrechet, random_weights, weights_hash, windows
from genieredux.evaluation.metrics.sharpness import gradient_energy

HASH = "b368af5c78f4a868351839823f6f9acf252fe4679788890ea95803b9d59e3464"
OWN = """
from genieredux.evaluation.about import About
from genieredux.evaluation.metrics.metric import OfRows

class Blue(OfRows):
    about = About("{name}", "Difference in blue", better="lower")

    def compare(self, frames, truth):
        return (frames[:, :, 2] - truth[:, :, 2]).abs().mean((-1, -2))

class NoMetric:
    pass
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def write(name: str) -> None:
        (tmp_path / "own_metric.py").write_text(OWN.format(name=name))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "own_metric", raising=False)

    return write


def test_a_class_of_ones_own_is_opened_by_module_and_name(own) -> None:
    own("blue")
    blue = open_metrics(["own_metric:Blue"], Setting()).metrics["own_metric:Blue"]
    frames = torch.zeros(2, 3, 3, 4, 4)
    frames[:, :, 2] = 0.25
    assert blue.compare(frames, torch.zeros_like(frames)).tolist() == [[0.25] * 3] * 2


@pytest.mark.parametrize(
    ("word", "name", "message"),
    [
        ("own_metric:Blue", "psnr", "calls itself 'psnr', which is taken"),
        ("own_metric:Blue", "clips", "calls itself 'clips', which is taken"),
        ("own_metric:NoMetric", "blue", "is no metric"),
        ("own_metric:Bleu", "blue", "there is no 'Bleu'"),
        ("absent_module:Blue", "blue", "cannot be imported"),
    ],
)
def test_what_is_none_is_one_line(own, word, name, message) -> None:
    own(name)
    with pytest.raises(UserError, match=re.escape(word) + ".*" + message) as caught:
        open_metrics([word], Setting())
    assert "\n" not in str(caught.value)


def test_every_name_of_the_tables_is_found() -> None:
    from genieredux.evaluation.metrics import ALWAYS, CHOSEN

    for name in (*ALWAYS, *CHOSEN):
        assert isinstance(find(name), type)


def test_gradient_energy_on_paper() -> None:
    steps = torch.zeros(1, 4, 4)
    steps[..., 2:] = 0.5  # one step of 0.5 in each of four rows, of three steps
    assert gradient_energy(steps).item() == pytest.approx(0.25 / 3)
    assert gradient_energy(steps.transpose(-1, -2)).item() == pytest.approx(0.25 / 3)
    assert gradient_energy(torch.full((3, 8, 8), 0.7)).item() == 0
    sharp = torch.rand(2, 3, 16, 16)
    assert (gradient_energy(torch.nn.functional.avg_pool2d(sharp, 3, 1, 1)) < gradient_energy(sharp)).all()


def test_who_predicts_what_moved_better() -> None:
    """One pixel moves, from 0 to 1; everything else is no matter, however wrong."""
    before, truth = torch.zeros(1, 1, 1, 2, 2), torch.zeros(1, 5, 1, 2, 2)
    truth[:, :4, :, 0, 0] = 1
    obeyed, random = torch.zeros_like(truth), torch.zeros_like(truth)
    obeyed[0, :, 0, 0, 0] = torch.tensor([0.9, 0.2, 0.5, 0.4, 0.0])
    random[0, :, 0, 0, 0] = torch.tensor([0.1, 0.8, 0.5, 0.4, 1.0])
    obeyed[0, 0, 0, 1, 1] = 1  # where nothing moved
    found = follows(obeyed, random, before, truth)[0]
    assert found[:4].tolist() == [1.0, 0.0, 0.5, 0.5]
    assert found[4].isnan()  # nothing moved


def test_the_random_network_is_a_function_of_its_seed() -> None:
    weights = random_weights(0)
    assert weights_hash(weights) == HASH
    assert weights_hash(random_weights(1)) != HASH
    for weight in weights:
        fan_in = weight[0].numel()
        assert float(weight.var()) == pytest.approx(2 / fan_in, rel=0.05)
        assert abs(float(weight.mean())) < 0.1 * float(weight.std())


def test_windows_end_in_predicted_frames_and_hold_one_given_frame_at_most() -> None:
    prompt = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1, 1)
    frames = torch.arange(3.0, 8.0).view(1, 5, 1, 1, 1)
    found = windows(prompt, frames)[0, :, :, 0, 0, 0]
    assert found.tolist() == [[2, 3, 4, 5], [3, 4, 5, 6], [4, 5, 6, 7]]
    assert 256 * windows(torch.zeros(1, 2, 1, 1, 1), torch.zeros(1, 10, 1, 1, 1)).shape[1] == 2048


def test_the_random_distance_sees_blur_and_motion() -> None:
    rng = np.random.default_rng(0)
    still = torch.from_numpy(rng.random((24, 1, 3, 32, 32)).astype(np.float32)).expand(-1, 11, -1, -1, -1)
    moving = torch.stack([still[:, t].roll(t, -1) for t in range(11)], 1)
    blurred = torch.nn.functional.avg_pool2d(moving.flatten(0, 1), 3, 1, 1).view_as(moving)
    metric = RandomFrechet()
    look = [metric.features(clip[:, :1], clip[:, 1:]).flatten(0, 1) for clip in (moving, still, blurred)]
    assert frechet_distance(look[0], look[0]) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(look[0], look[1]) > 1e-3
    assert frechet_distance(look[0], look[2]) > 1e-3
