"""The numbers of an evaluation, computed again from the data set and the model by other means.

Through the command line and the files it leaves: whatever is rearranged inside, the rows must be what they are called.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import scenarios

from genieredux.episodes import Dataset

GIVEN, HORIZON = 2, 3


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(rows of clips.parquet, episodes by id, results.json, the folder)."""
    folder = tmp_path_factory.mktemp("measured")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        scenarios.trained()
        words = [word for word in scenarios.EVAL_WORDS if not word.startswith(("eval.num_clips", "eval.seq_step"))]
        scenarios.run(*words, "eval.num_clips=9", "eval.seq_step=3")
        (file,) = Path("results").rglob("clips.parquet")
        data = Dataset.open("datasets/toy")
        episodes = {row["id"]: data.episode(index) for index, row in enumerate(data.index.to_pylist())}
        results = json.loads((file.parent / "results.json").read_text())
        yield pq.read_table(file).to_pylist(), episodes, results, folder


def decibels(drawn: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """PSNR of bytes (T, H, W, 3) by frame, at most 60."""
    error = (drawn.astype(np.float64) - truth.astype(np.float64)) / 255
    with np.errstate(divide="ignore"):
        return np.minimum(-10 * np.log10((error**2).mean((1, 2, 3))), 60.0)


def truth_of(row: dict[str, Any], episodes: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(the given frames, those to predict, the actions that lead to the latter) of a clip."""
    episode, start = episodes[row["episode"]], row["start"]
    frames = episode.frames[start : start + GIVEN + HORIZON]
    return frames[:GIVEN], frames[GIVEN:], episode.actions[start + GIVEN - 1 : start + GIVEN - 1 + HORIZON]


def test_repeat_last_is_the_last_given_frame(measured: Any) -> None:
    rows, episodes, _, _ = measured
    assert len(rows) == 9
    for row in rows:
        given, truth, actions = truth_of(row, episodes)
        repeated = np.broadcast_to(given[-1], truth.shape)
        assert row["psnr.repeat_last"] == pytest.approx(decibels(repeated, truth), abs=1e-3)
        assert row["action"] == actions.tolist()


def test_the_model_and_the_tokenizer_are_what_the_file_draws(measured: Any) -> None:
    import torch

    from genieredux.models.world.model import WorldModel

    rows, episodes, _, folder = measured
    world = WorldModel.load(folder / "checkpoints/genie_redux_guided/w/model-4.pt")
    for row in rows[:4]:
        given, truth, _ = truth_of(row, episodes)
        episode, start = episodes[row["episode"]], row["start"]
        frames = torch.from_numpy(np.concatenate([given, truth])).movedim(-1, -3).float()[None] / 255
        taken = torch.from_numpy(episode.actions[start : start + GIVEN + HORIZON - 1])[None]
        dreamed = world.rollout(frames[:, :GIVEN], taken, 0)  # one step of refinement: there is no noise in it
        redrawn = world.decode(world.encode(frames))[:, GIVEN:]
        for name, drawn in (("model", dreamed.frames), ("tokenizer_only", redrawn)):
            error = (drawn[0] - frames[0, GIVEN:]).square().mean((1, 2, 3))
            expected = (-10 * error.log10()).clamp(max=60).numpy()
            assert row[f"psnr.{name}"] == pytest.approx(expected, abs=1e-3)
        assert row["entropy.model"] == pytest.approx(dreamed.entropy[0].mean((1, 2)).numpy(), abs=1e-4)


def test_means_and_gains_are_those_of_the_clips(measured: Any) -> None:
    rows, _, results, _ = measured
    whole = json.dumps(results)
    model = np.array([row["psnr.model"] for row in rows])
    repeated = np.array([row["psnr.repeat_last"] for row in rows])
    numbers = np.array(sorted(_floats(results)))
    assert whole
    for expected in (*model.mean(0), *repeated.mean(0), *(model - repeated).mean(0)):
        assert np.abs(numbers - expected).min() < 1e-6, f"{expected} is nowhere in results.json"


def _floats(values: Any) -> list[float]:
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list):
        return [number for value in values for number in _floats(value)]
    return [values] if isinstance(values, float) else []
