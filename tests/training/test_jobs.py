"""From a data set to a checkpoint: tokenizer, token cache, dynamics, each with a stand-in model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genieredux.episodes import Dataset, DatasetSpec, DatasetWriter, Episode
from genieredux.errors import UserError
from genieredux.models.checkpoint import load_model, save_model
from genieredux.models.types import Batch, Losses
from genieredux.training import OptimizerConfig, TrainConfig, WarmupConfig
from genieredux.training.jobs import (
    JobConfig,
    build_token_cache,
    tokenizer_of,
    train_dynamics,
    train_tokenizer,
    window_stride,
)
from genieredux.training.sources import choose_games, frame_sources, split_for_training, trainable


@dataclass(frozen=True)
class TinyConfig:
    image_size: int = 16
    width: int = 4


class TinyTokenizer(nn.Module):
    """A frame's token is the brightness of each 4x4 patch in eight levels."""

    kind = "tokenizer"
    framewise = True

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.config = config
        self.gain = nn.Parameter(torch.rand(()))

    def encode(self, frames: Tensor) -> Tensor:
        b = frames.shape[0]
        bright = F.avg_pool2d(frames.flatten(0, 1), 4).mean(1)
        return (bright * 7.999).long().unflatten(0, (b, -1))

    def forward(self, batch: Batch, generator: torch.Generator) -> Losses:
        assert batch.frames is not None
        assert batch.frames.dtype == torch.float32
        return Losses((self.gain * batch.frames - batch.frames).square().mean(), {})


class TinyDynamics(nn.Module):
    kind = "genie_redux_guided"

    def __init__(self, config: TinyConfig, tokenizer: TinyTokenizer, action_names: tuple[str, ...]) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(8, 8)
        self.actions = nn.Embedding(len(action_names), 8)

    def forward(self, batch: Batch, generator: torch.Generator) -> Losses:
        assert batch.frames is None
        assert batch.tokens is not None
        assert batch.actions is not None
        logits = self.tokens(batch.tokens[:, :-1]) + self.actions(batch.actions)[:, :, None, None]
        return Losses(F.cross_entropy(logits.flatten(0, -2), batch.tokens[:, 1:].flatten()), {})


def build(kind: str, config: Mapping[str, Any], **parts: Any) -> nn.Module:
    made = TinyConfig(**config)
    return TinyTokenizer(made) if kind == "tokenizer" else TinyDynamics(made, **parts)


def write_dataset(folder, lengths=(30, 30, 30, 30), splits=("train", "train", "train", "test"), games=None) -> None:
    rng = np.random.default_rng(0)
    writer = DatasetWriter(folder, DatasetSpec(folder.name, 16, ("LEFT", "RIGHT")))
    for index, (length, split) in enumerate(zip(lengths, splits, strict=True)):
        writer.append(
            Episode(
                frames=rng.integers(0, 256, (length, 16, 16, 3), dtype=np.uint8),
                actions=rng.integers(0, 2, length - 1),
                rewards=np.zeros(length - 1, np.float32),
                terminated=True,
                truncated=False,
                seed=index,
                split=split,
                game=games[index] if games else "fake",
            )
        )
    writer.finish()


@pytest.fixture
def job(tmp_path):
    write_dataset(tmp_path / "datasets" / "tiny")
    train = TrainConfig(
        dataset_root_dpath=str(tmp_path / "datasets"),
        dataset_name="tiny",
        num_frames=5,
        max_valid_size=4,
        batch_size=2,
        num_train_steps=20,
        save_model_every=20,
        validate_every=10,
        log_every=10,
        precision="32",
        accelerator="cpu",
        tensorboard=False,
        samples=0,
    )
    optimizer = OptimizerConfig(0.05, warmup=WarmupConfig(0.5, 2))
    return JobConfig(checkpoints_dpath=str(tmp_path / "checkpoints"), train=train, optimizer=optimizer)


def test_tokenizer_then_dynamics(job, tmp_path):
    tokenizer = train_tokenizer(job, build)
    assert tokenizer.model_path == tmp_path / "checkpoints/tokenizer/tokenizer/model-20.pt"
    data = load_model(tokenizer.model_path, expect="tokenizer")
    assert data.metadata == {"action_names": ["LEFT", "RIGHT"], "image_size": 16, "dataset": "tiny"}
    assert tokenizer.history[-1]["event"] == "validate"

    second = replace(job, model="genie_redux_guided", tokenizer_fpath=str(tokenizer.model_path), run_name="first")
    world = train_dynamics(second, build)
    assert world.model_path == tmp_path / "checkpoints/genie_redux_guided/first/model-20.pt"
    held = load_model(world.model_path)
    inside = held.section("tokenizer")
    assert inside.fingerprint == data.model.fingerprint
    assert torch.equal(inside.state_dict["gain"], data.state_dict["gain"])
    assert "actions.weight" in held.state_dict  # what the published checkpoints lack
    cached = [path.name for path in (tmp_path / "datasets/tiny/tokens").iterdir()]
    assert cached == [f"tokenizer-{data.model.fingerprint[:16]}"]

    # The file alone is enough to go on from: its tokenizer is inside.
    tuned = replace(second, tokenizer_fpath=None, model_fpath=str(world.model_path), run_name="tuned")
    again = train_dynamics(tuned, build)
    assert again.history[0]["loss"] < world.history[0]["loss"]
    assert load_model(again.model_path).section("tokenizer").fingerprint == data.model.fingerprint


def test_dynamics_never_trains_on_a_random_tokenizer(job):
    with pytest.raises(UserError, match="genie_redux_guided needs a trained tokenizer; give tokenizer_fpath"):
        train_dynamics(replace(job, model="genie_redux_guided"), build)


def test_fine_tuning_starts_from_the_given_weights(job):
    first = train_tokenizer(job, build)
    tuned = train_tokenizer(replace(job, run_name="tuned", model_fpath=str(first.model_path)), build)
    assert tuned.history[0]["loss"] < 0.5 * first.history[0]["loss"]


def test_weights_that_do_not_fit(job):
    first = train_tokenizer(job, build)

    class Other(TinyTokenizer):
        def __init__(self, config: TinyConfig) -> None:
            super().__init__(config)
            self.more = nn.Parameter(torch.zeros(3))

    with pytest.raises(UserError, match=r"do not fit the configuration: .*more"):
        train_tokenizer(
            replace(job, run_name="b", model_fpath=str(first.model_path)),
            lambda kind, config: Other(TinyConfig()),
        )


def test_missing_data_is_named(job):
    for change, message in [
        ({"dataset_name": ""}, "dataset_name is empty"),
        ({"dataset_name": "none"}, "none"),
    ]:
        with pytest.raises(UserError, match=message):
            train_tokenizer(replace(job, train=replace(job.train, **change)), build)
    assert not job.folder.exists()  # nothing is written before the data is there


def test_token_cache_holds_what_the_tokenizer_says(job, tmp_path):
    dataset = Dataset.open(tmp_path / "datasets" / "tiny")
    model = TinyTokenizer(TinyConfig())
    cache = build_token_cache(dataset, tokenizer_of(model), job.train)
    frames = torch.from_numpy(dataset.frames(2)).permute(0, 3, 1, 2)[None].float() / 255
    assert np.array_equal(cache.episode(2), model.encode(frames)[0].numpy())


def test_test_episodes_are_never_looked_at(tmp_path):
    write_dataset(tmp_path / "d")
    dataset = Dataset.open(tmp_path / "d")
    training, held_out = split_for_training(dataset, 5)
    assert (len(training), len(held_out), len(trainable(dataset))) == (2, 1, 3)
    assert not set(training.ids) & set(held_out.ids)
    assert set(training.ids) | set(held_out.ids) == set(trainable(dataset).ids)


def test_a_validation_split_is_used(tmp_path):
    write_dataset(tmp_path / "d", splits=("train", "validation", "train", "test"))
    training, held_out = split_for_training(Dataset.open(tmp_path / "d"), 5)
    assert (len(training), len(held_out)) == (2, 1)
    assert held_out.index["split"].to_pylist() == ["validation"]


def test_one_episode_validates_on_itself(tmp_path):
    write_dataset(tmp_path / "d", lengths=(30, 3), splits=("train", "train"))
    training, held_out = split_for_training(Dataset.open(tmp_path / "d"), 5)
    assert training.ids == held_out.ids


def test_games_first_last_all(tmp_path):
    write_dataset(tmp_path / "d", games=("b", "a", "c", "a"))
    dataset = Dataset.open(tmp_path / "d")
    for count, games in [(0, {"a", "b", "c"}), (1, {"a"}), (-2, {"b", "c"})]:
        assert set(choose_games(dataset, count).index["game"].to_pylist()) == games
    with pytest.raises(UserError, match=r"train\.n_envs is 4; .* has 3 games"):
        choose_games(dataset, 4)


def test_batches_are_a_function_of_the_step_and_differ_by_rank(tmp_path, job):
    write_dataset(tmp_path / "d")
    training, held_out = split_for_training(Dataset.open(tmp_path / "d"), 5)
    cfg = replace(job.train, grad_accum=2)
    source, _ = frame_sources(training, held_out, cfg)
    batch = source.batch(3, 1)
    assert batch.frames.shape == (2, 5, 3, 16, 16)
    assert batch.frames.dtype == torch.uint8
    assert batch.actions.shape == (2, 4)
    assert torch.equal(batch.frames, source.batch(3, 1).frames)
    other, _ = frame_sources(training, held_out, cfg, rank=1, world_size=2)
    assert not torch.equal(batch.frames, other.batch(3, 1).frames)
    whole, _ = frame_sources(training, held_out, replace(cfg, batch_size=4, grad_accum=1))
    parts = torch.cat([source.batch(3, micro).frames for micro in range(2)])
    assert torch.equal(parts, whole.batch(3, 0).frames)  # N micro-batches are one batch, in data too


def test_windows_of_a_tokenizer_that_looks_back_start_with_its_clips():
    assert window_stride(TinyTokenizer(TinyConfig()), 16) == 1
    assert window_stride(nn.Identity(), 16) == 16


def test_an_image_size_that_is_not_the_data_sets_is_refused(tmp_path) -> None:
    write_dataset(tmp_path / "toys")
    cfg = JobConfig(
        checkpoints_dpath=str(tmp_path / "checkpoints"),
        train=TrainConfig(dataset_root_dpath=str(tmp_path), dataset_name="toys", num_frames=4),
        tokenizer={"image_size": 64},
    )
    with pytest.raises(UserError, match=r"tokenizer.image_size is 64, but the frames of .* are 16x16"):
        train_tokenizer(cfg, build)
    assert not (tmp_path / "checkpoints").exists()


def test_a_tokenizer_for_frames_of_another_size_is_refused(tmp_path) -> None:
    write_dataset(tmp_path / "toys")
    file = save_model(
        tmp_path / "t.pt", "tokenizer", TinyConfig(image_size=32), TinyTokenizer(TinyConfig()).state_dict()
    )
    cfg = JobConfig(
        model="tiny_dynamics",
        checkpoints_dpath=str(tmp_path / "checkpoints"),
        tokenizer_fpath=str(file),
        train=TrainConfig(dataset_root_dpath=str(tmp_path), dataset_name="toys", num_frames=4),
    )
    with pytest.raises(UserError, match=r"for frames of 32x32, but those of .* are 16x16"):
        train_dynamics(cfg, build)
    assert not (tmp_path / "checkpoints").exists()
