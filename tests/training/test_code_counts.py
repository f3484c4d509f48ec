"""What codes mean is counted on training episodes and judged on held-out ones."""

from pathlib import Path

import numpy as np
import pytest
import torch

from genieredux.episodes.fake import fake_dataset
from genieredux.models.build import build_model
from genieredux.training import TrainConfig
from genieredux.training.kinds.code_counts import CLIPS, CodeCounts, count_actions
from genieredux.training.sources import split_for_training


class Data:
    def __init__(self, folder: Path) -> None:
        dataset = fake_dataset(folder, lengths=(40, 12, 17, 64, 16))
        self.spec, self.split = dataset.spec, split_for_training(dataset, 4)


def test_counted_on_training_and_judged_on_held_out_episodes(tmp_path: Path) -> None:
    data, cfg = Data(tmp_path / "data"), TrainConfig(num_frames=4, seed=3)
    torch.manual_seed(0)
    settings = {"architecture": "conv", "image_size": 16, "width": 8, "dim": 16, "codebook_size": 4}
    lam = build_model("latent_action_model", settings).eval()
    values = CodeCounts(lam, data, cfg).look(lam, 1).values  # type: ignore[arg-type]
    training, held_out = (count_actions(lam, part, 4, CLIPS, 3) for part in data.split)  # type: ignore[arg-type]
    unseen = held_out.counts
    assert not np.array_equal(unseen, training.counts)
    assert values["action_accuracy"] == training.accuracy(unseen)
    assert values["action_information"] == training.information(unseen)
    assert values["action_chance"] == pytest.approx(unseen.sum(0).max() / unseen.sum())


@pytest.mark.parametrize(("spared", "largest"), [(True, 3), (False, 16)])
def test_where_memory_is_spared_as_many_clips_as_in_a_step_are_encoded_together(tmp_path, spared, largest):
    data = Data(tmp_path / "data")
    torch.manual_seed(0)
    settings = {"architecture": "conv", "image_size": 16, "width": 8, "dim": 16, "codebook_size": 4}
    lam, sizes = build_model("latent_action_model", settings).eval(), []
    everything = CodeCounts(lam, data, TrainConfig(num_frames=4, seed=3)).look(lam, 1).values  # type: ignore[arg-type]
    encode = lam.actions
    lam.actions = lambda frames: sizes.append(len(frames)) or encode(frames)
    cfg = TrainConfig(num_frames=4, seed=3, batch_size=3, activation_checkpointing=spared)
    assert CodeCounts(lam, data, cfg).look(lam, 1).values == everything  # type: ignore[arg-type]
    assert max(sizes) == largest
    assert sum(sizes) == 2 * CLIPS
