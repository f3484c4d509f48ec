"""Counting right actions, on answers that are known."""

import math

import numpy as np
import pytest
import torch

from genieredux.evaluation.actions.report import ActionReport, action_report
from genieredux.evaluation.metrics.action_accuracy import ActionAccuracy
from genieredux.evaluation.subjects.drawn import Batch, Drawn

NAMES = ("RIGHT", "LEFT", "NOOP")


class Reads:
    """Tells the action from the first pixel of the later frame."""

    def predict(self, frames: torch.Tensor) -> torch.Tensor:
        return (frames[:, 1:, 0, 0, 0] * 10).round().long()


def film(shown: list[list[int]]) -> np.ndarray:
    """Frames uint8 (B, T, 4, 4, 3) whose first pixel says the action that led to them, as `Reads` reads it."""
    frames = np.zeros((len(shown), len(shown[0]) + 1, 4, 4, 3), np.uint8)
    frames[:, 1:] = np.round(np.array(shown) * 25.5)[:, :, None, None, None]
    return frames


def test_right_or_not_by_horizon():
    actions = np.array([[0, 1, 2, 0], [2, 1, 0, 0]])
    batch = Batch((0, 1), 2, film([[0, 1, 2, 2], [1, 1, 1, 0]]), actions, prompt_frames=2)
    other = torch.tensor([[0, 1, 2, 2], [2, 1, 1, 0]])  # the row shows exactly these
    drawn = Drawn(
        batch, {"model": batch.truth, "random_actions": batch.truth}, ("model",), actions={"random_actions": other}
    )
    right = ActionAccuracy(Reads())(drawn)
    # Two prompt frames: horizon 1 is the second transition.
    assert right["model"].tolist() == right["truth"].tolist() == [[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    assert right["random_actions"].tolist() == [[1.0] * 3] * 2
    (confusion,) = ActionAccuracy(Reads()).beside
    pairs = confusion.look(drawn)["model"]
    assert pairs[0].tolist() == [[1, 1], [2, 2], [0, 2]]


def test_a_report_of_known_counts():
    actions = torch.tensor([[0, 0, 0, 1], [0, 0, 1, 1]])
    predicted = torch.tensor([[0, 0, 1, 1], [0, 2, 1, 0]])
    report = action_report(NAMES, predicted, actions)
    assert report.confusion == [[3, 1, 1], [1, 2, 0], [0, 0, 0]]
    assert report.accuracy == pytest.approx(5 / 8)
    assert report.per_action["RIGHT"] == pytest.approx(3 / 5)
    assert report.per_action["LEFT"] == pytest.approx(2 / 3)
    assert math.isnan(report.per_action["NOOP"])
    assert report.balanced == pytest.approx((3 / 5 + 2 / 3) / 2)
    assert report.chance["uniform"] == pytest.approx(1 / 3)
    assert report.chance["majority"] == pytest.approx(5 / 8)
    assert report.chance["persistence"] == pytest.approx(4 / 6)  # within each clip, not across
    assert report.transitions == 8


def test_a_negative_action_parts_two_episodes():
    actions = torch.tensor([0, 0, -1, 1, 1, -1])
    report = action_report(NAMES, torch.tensor([0, 1, 0, 1, 1, 2]), actions)
    assert report.transitions == 4
    assert report.accuracy == pytest.approx(3 / 4)
    assert report.chance["persistence"] == 1.0


def test_json_and_back():
    report = action_report(NAMES, torch.tensor([[0, 1]]), torch.tensor([[0, 0]]))
    plain = report.to_json()
    assert plain["per_action"]["NOOP"] is None
    again = ActionReport.from_json(plain)
    assert again.to_json() == plain
    assert math.isnan(again.per_action["LEFT"])
    assert math.isnan(action_report(NAMES, torch.tensor([[0]]), torch.tensor([[0]])).chance["persistence"])
    with pytest.raises(ValueError, match="agree"):
        action_report(NAMES, torch.zeros(2, 2).long(), torch.zeros(2, 3).long())
