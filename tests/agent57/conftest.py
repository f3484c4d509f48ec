"""A tiny agent's job: a room of 3x3, two lanes, a few updates a second."""

import copy

import pytest

from genieredux.agent57.config import Agent57Config
from genieredux.config import from_plain

TINY = {
    "run_name": "tiny",
    "env": {"game": "genieredux.agent57.tasks:RandomCoin", "options": {"size": 3, "steps": 12, "pixels": 4}},
    "agent": {"image_size": 5, "torso": "compact", "hidden": 8, "policies": 3, "embedding": 4, "rnd_features": 4},
    "actors": {"lanes": 2, "steps": 4, "pull": 2},
    "replay": {"capacity": 40, "min_size": 8, "trace": 6, "period": 3, "burn_in": 2},
    "learn": {"batch": 4, "target_update": 3},
    "train": {
        "num_train_steps": 8,
        "save_model_every": 4,
        "validate_every": 8,
        "log_every": 4,
        "tensorboard": False,
        "accelerator": "cpu",
    },
    "eval": {"episodes": 4},
}


@pytest.fixture
def make_config(tmp_path):
    """Settings of the tiny job, changed by `group={key: value}`."""

    def make(**groups):
        values = copy.deepcopy(TINY) | {"checkpoints_dpath": str(tmp_path / "checkpoints")}
        for group, changes in groups.items():
            values[group] = {**values[group], **changes} if isinstance(changes, dict) else changes
        return from_plain(Agent57Config, values, "")

    return make
