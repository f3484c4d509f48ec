"""Counting right actions, on answers that are known."""

import math

import pytest
import torch

from genieredux.evaluation.action_accuracy import ActionReport, action_accuracy, action_report

NAMES = ("RIGHT", "LEFT", "NOOP")


class Reads:
    """Tells the action from the first pixel of the later frame."""

    def predict(self, frames: torch.Tensor) -> torch.Tensor:
        return (frames[:, 1:, 0, 0, 0] * 10).round().long()


def film(shown: list[list[int]]) -> torch.Tensor:
    frames = torch.zeros(len(shown), len(shown[0]) + 1, 3, 4, 4)
    frames[:, 1:] = torch.tensor(shown)[:, :, None, None, None] / 10
    return frames


def test_right_or_not_by_horizon():
    frames, actions = film([[0, 1, 2, 2], [1, 1, 1, 0]]), torch.tensor([[0, 1, 2, 0], [2, 1, 0, 0]])
    right = action_accuracy(Reads(), frames, actions)
    assert right.tolist() == [[True, True, True, False], [False, True, False, True]]
    # Two prompt frames: horizon 1 is the second transition.
    assert action_accuracy(Reads(), frames, actions, first=1).tolist() == [row[1:] for row in right.tolist()]
    with pytest.raises(ValueError, match="T-1"):
        action_accuracy(Reads(), frames, actions[:, 1:])


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
