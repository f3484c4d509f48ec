"""From a data set to a checkpoint: tokenizer, token cache, dynamics; which episodes; what is refused, and when."""

import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factories import tokenizer_of
from genieredux.agent57.config import Agent57Config
from genieredux.episodes import Dataset, DatasetSpec, DatasetWriter, Episode, TokenCache, WindowSampler
from genieredux.errors import UserError
from genieredux.models.build import build_model
from genieredux.models.checkpoint import load_model, save_model
from genieredux.training import ClipSource, JobConfig, OptimizerConfig, TrainConfig, WarmupConfig, train
from genieredux.training.clips import ALONE, Place, make_samplers
from genieredux.training.config import EncodingConfig
from genieredux.training.heads.config import HeadsJob
from genieredux.training.kinds import tokens
from genieredux.training.kinds.materials import load_tokenizer
from genieredux.training.kinds.tokens import build_token_cache, window_stride
from genieredux.training.sources import choose_games, split_for_training, trainable

TOKENIZER: dict[str, Any] = {
    "architecture": "conv",
    "encoder_width": 8,
    "decoder_width": 8,
    "codebook_size": 16,
    "codebook_dim": 4,
}
ST: dict[str, Any] = {"patch_size": 4, "dim": 16, "blocks": 1, "heads": 2, "dim_head": 8, "codebook_size": 16}
DYNAMICS: dict[str, Any] = {"dim": 16, "history_blocks": 1, "heads": 2, "dim_head": 8, "group": 2, "local_width": 8}


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", ".", "a/../../x", "a//b", "x\n"])
def test_a_run_lies_below_the_folder_of_its_kind(name: str) -> None:
    for job in (JobConfig(run_name=name), HeadsJob(dataset="d", out="o", run_name=name), Agent57Config(run_name=name)):
        with pytest.raises(UserError, match=r"run_name is .*; it must be a path below its own folder"):
            _ = job.folder
    assert str(JobConfig(run_name="été, [a]/2").folder) == "checkpoints/tokenizer/été, [a]/2"
    assert str(JobConfig(model="lam").folder) == "checkpoints/latent_action_model/lam"


def write_dataset(
    folder, lengths=(30, 30, 30, 30), splits=("train", "train", "train", "test"), games=None, instances=None
) -> None:
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
                instance=instances[index] if instances else 0,
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
    optimizer = OptimizerConfig(0.01, warmup=WarmupConfig(0.5, 2))
    return JobConfig(
        checkpoints_dpath=str(tmp_path / "checkpoints"),
        train=train,
        optimizer=optimizer,
        tokenizer=TOKENIZER,
        dynamics=DYNAMICS,
    )


def guided(job: JobConfig, **changes: Any) -> JobConfig:
    return replace(job, model="genie_redux_guided", **changes)


def test_tokenizer_then_dynamics(job, tmp_path):
    tokenizer = train(job)
    assert tokenizer.model_path == tmp_path / "checkpoints/tokenizer/tokenizer/model-20.pt"
    data = load_model(tokenizer.model_path, expect="tokenizer")
    assert data.metadata == {"action_names": ["LEFT", "RIGHT"], "image_size": 16, "dataset": "tiny"}
    assert tokenizer.history[-1]["event"] == "validate"

    second = guided(job, tokenizer_fpath=str(tokenizer.model_path), run_name="first")
    world = train(second)
    assert world.model_path == tmp_path / "checkpoints/genie_redux_guided/first/model-20.pt"
    file = load_model(world.model_path)
    inside = file.section("tokenizer")
    assert inside.fingerprint == data.model.fingerprint
    assert all(torch.equal(value, data.state_dict[name]) for name, value in inside.state_dict.items())
    cached = [path.name for path in (tmp_path / "datasets/tiny/tokens").iterdir()]
    assert cached == [load_tokenizer(data.model).id]

    # The file alone is enough to go on from: its tokenizer is inside.
    tuned = replace(second, tokenizer_fpath=None, model_fpath=str(world.model_path), run_name="tuned")
    again = train(tuned)
    assert again.history[0]["loss"] < world.history[0]["loss"]
    assert load_model(again.model_path).section("tokenizer").fingerprint == data.model.fingerprint


def test_dynamics_never_trains_on_a_random_tokenizer(job):
    with pytest.raises(UserError, match="genie_redux_guided needs a trained tokenizer; give tokenizer_fpath"):
        train(guided(job))


def test_fine_tuning_starts_from_the_given_weights(job):
    job = replace(job, train=replace(job.train, num_train_steps=60, save_model_every=60))
    first = train(job)
    tuned = train(replace(job, run_name="tuned", model_fpath=str(first.model_path)))
    assert tuned.history[0]["loss"] < 0.8 * first.history[0]["loss"]


def test_weights_that_do_not_fit(job):
    first = train(job)
    wider = replace(job, run_name="b", model_fpath=str(first.model_path), tokenizer={"encoder_width": 12})
    with pytest.raises(UserError, match=r"do not fit the configuration: .*size mismatch"):
        train(wider)
    assert not wider.folder.exists()


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ("genie_redux_guided", {"dynamics": {"dimm": 3}}, r"dynamics\.dimm.*dynamics\.dim"),
        ("genie_redux_guided", {"dynamics": {"dim": "abc"}}, r"dynamics\.dim is 'abc'"),
        ("tokenizer", {"tokenizer": {"codebook_size": 1}}, r"tokenizer\.codebook_size"),
        ("latent_action_model", {"lam": {"codes": 4}}, r"lam\.codes"),
        ("genie_redux", {"lam": {"architecture": "st_vivitt"}}, r"lam\.architecture.*st_vivit"),
        ("tokenise", {}, r"model is 'tokenise'; did you mean tokenizer"),
    ],
)
def test_settings_are_checked_before_anything_is_opened(job, tmp_path, model, settings, message):
    """There is no such data set and no such tokenizer: neither is looked for."""
    wrong = replace(
        job, model=model, tokenizer_fpath="none.pt", train=replace(job.train, dataset_name="none"), **settings
    )
    with pytest.raises(UserError, match=message):
        train(wrong)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["datasets"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_frames": 40}, "no episode has 40 frames"),
        ({"resume": "nowhere/model-3.pt"}, "model-3.pt"),
        ({"resume": "previous"}, "no checkpoint"),
    ],
)
def test_a_refused_run_leaves_nothing(job, tmp_path, change, message):
    tokenizer = str(train(job).model_path)
    refused = guided(job, tokenizer_fpath=tokenizer, train=replace(job.train, **change))
    with pytest.raises(UserError, match=message):
        train(refused)
    assert not (tmp_path / "checkpoints/genie_redux_guided").exists()
    assert (tmp_path / "datasets/tiny/tokens").exists() == ("resume" in change)


def test_missing_data_is_named(job):
    for change, message in [
        ({"dataset_name": ""}, "dataset_name is empty"),
        ({"dataset_name": "none"}, "none"),
    ]:
        with pytest.raises(UserError, match=message):
            train(replace(job, train=replace(job.train, **change)))
    assert not job.folder.exists()  # nothing is written before the data is there


def test_token_cache_holds_what_the_tokenizer_says(job, tmp_path):
    dataset = Dataset.open(tmp_path / "datasets" / "tiny")
    torch.manual_seed(0)
    tokenizer = tokenizer_of(build_model("tokenizer", {**TOKENIZER, "image_size": 16}))
    build_token_cache(dataset, tokenizer, job.train)
    cache = TokenCache.open(dataset, tokenizer.id)
    frames = torch.from_numpy(dataset.frames(2)).permute(0, 3, 1, 2)[None].float() / 255
    assert np.array_equal(cache.episode(2), tokenizer.model.encode(frames)[0].numpy())


def test_processes_that_share_the_encoding_make_the_same_files(job, tmp_path, monkeypatch):
    monkeypatch.setattr(tokens, "SHARD_FRAMES", 30)
    dataset = Dataset.open(tmp_path / "datasets" / "tiny")
    torch.manual_seed(0)
    tokenizer = tokenizer_of(build_model("tokenizer", {**TOKENIZER, "image_size": 16}))
    folder = tmp_path / "datasets/tiny/tokens" / tokenizer.id
    build_token_cache(dataset, tokenizer, job.train)
    alone = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".parquet", ".json")}
    shutil.rmtree(folder)
    build_token_cache(dataset, tokenizer, replace(job.train, encoding=EncodingConfig(processes=2)))
    assert {name: (folder / name).read_bytes() for name in alone} == alone
    assert len(alone) > 3  # several shards and the marker


def test_a_framewise_tokenizers_tokens_serve_clips_of_any_length(job, tmp_path):
    first = replace(job, tokenizer_fpath=str(train(job).model_path), model="genie_redux_guided")
    train(first)
    (shard,) = (tmp_path / "datasets/tiny/tokens").glob("*/shard-*")
    before = shard.stat().st_mtime_ns
    longer = train(replace(first, run_name="longer", train=replace(first.train, num_frames=7)))
    assert longer.last_step == 20
    assert shard.stat().st_mtime_ns == before


def test_a_tokenizer_that_looks_back_needs_its_own_clips(job):
    path = str(train(replace(job, tokenizer=ST)).model_path)
    train(guided(job, tokenizer_fpath=path))
    with pytest.raises(UserError, match="in clips of 5"):
        train(guided(job, tokenizer_fpath=path, run_name="b", train=replace(job.train, num_frames=7)))


def test_mapped_tokens_train_alike(job):
    tokenizer = str(train(job).model_path)
    histories = [
        train(guided(job, tokenizer_fpath=tokenizer, run_name=place, train=replace(job.train, tokens=place))).history
        for place in ("ram", "mapped", "auto")
    ]
    losses = [[record["loss"] for record in history] for history in histories]
    assert losses[0] == losses[1] == losses[2]


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


def test_a_validation_split_that_is_too_short_is_said_and_replaced(tmp_path, caplog, job):
    folder = tmp_path / "datasets" / "tiny2"
    write_dataset(folder, lengths=(30, 3, 30, 30), splits=("train", "validation", "train", "train"))
    training, held_out = split_for_training(Dataset.open(folder), 5)
    assert "no episode of the split validation has 5 frames (the longest has 3)" in caplog.text
    assert (len(training), len(held_out)) == (2, 1)
    result = train(replace(job, train=replace(job.train, dataset_name="tiny2")))
    assert any(record["event"] == "validate" for record in result.history)


def test_one_episode_validates_on_itself(tmp_path):
    write_dataset(tmp_path / "d", lengths=(30, 3), splits=("train", "train"))
    training, held_out = split_for_training(Dataset.open(tmp_path / "d"), 5)
    assert training.ids == held_out.ids


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(levels=st.lists(st.integers(0, 6), min_size=2, max_size=30))
def test_held_out_episodes_share_no_level_with_training(tmp_path_factory, levels):
    folder = tmp_path_factory.mktemp("levels")
    write_dataset(folder, [6] * len(levels), ["train"] * len(levels), instances=levels)
    training, held_out = split_for_training(Dataset.open(folder), 5)
    inside, outside = (set(part.index["instance"].to_pylist()) for part in (training, held_out))
    if len(set(levels)) > 1:
        assert not inside & outside
        assert set(training.ids) | set(held_out.ids) == set(Dataset.open(folder).ids)
    else:  # no levels: episodes are what there is
        assert not set(training.ids) & set(held_out.ids)


def test_levels_of_one_number_in_two_games_are_two(tmp_path):
    write_dataset(
        tmp_path / "d", [6] * 40, ["train"] * 40, games=["a", "b"] * 20, instances=[k // 2 for k in range(40)]
    )
    training, held_out = split_for_training(Dataset.open(tmp_path / "d"), 5)
    assert (len(training), len(held_out)) == (38, 2)  # of forty levels two, each played once


def test_games_first_last_all(tmp_path):
    write_dataset(tmp_path / "d", games=("b", "a", "c", "a"))
    dataset = Dataset.open(tmp_path / "d")
    for count, games in [(0, {"a", "b", "c"}), (1, {"a"}), (-2, {"b", "c"})]:
        assert set(choose_games(dataset, count).index["game"].to_pylist()) == games
    with pytest.raises(UserError, match=r"train\.n_envs is 4; .* has 3 games"):
        choose_games(dataset, 4)


def test_tokens_are_those_of_the_frames_beside_them(tmp_path):
    write_dataset(tmp_path / "d")
    dataset = Dataset.open(tmp_path / "d")
    cache = TokenCache.build(dataset, lambda clips: clips[:, :, ::8, ::8, 0].astype(np.int64), "corners", clip_frames=5)
    sampler = WindowSampler(dataset.lengths, 5, 4, seed=0)
    batch = ClipSource(sampler, dataset, cache).batch(3)
    assert torch.equal(batch.tokens, batch.frames[:, :, 0, ::8, ::8].long())
    assert torch.equal(batch.actions, ClipSource(sampler, dataset).batch(3).actions)


def test_batches_are_a_function_of_their_number_and_differ_by_rank(tmp_path, job):
    write_dataset(tmp_path / "d")
    training, held_out = split_for_training(Dataset.open(tmp_path / "d"), 5)

    def source(place: Place = ALONE, **changes: Any) -> ClipSource:
        cfg = replace(job.train, **changes)
        return ClipSource(make_samplers(training.lengths, held_out.lengths, cfg, 0, place)[0], training)

    batch = source().batch(5)
    assert batch.frames.shape == (2, 5, 3, 16, 16)
    assert batch.frames.dtype == torch.uint8
    assert batch.actions.shape == (2, 4)
    assert torch.equal(batch.frames, source().batch(5).frames)
    assert not torch.equal(batch.frames, source(Place(1, 2)).batch(5).frames)
    whole = source(batch_size=4).batch(2).frames
    parts = torch.cat([source().batch(k).frames for k in (4, 5)])
    assert torch.equal(parts, whole)  # N micro-batches are one batch, in data too
    assert torch.equal(torch.cat([source(Place(rank, 2)).batch(2).frames for rank in (0, 1)]), whole)  # and N processes


def test_windows_of_a_tokenizer_that_looks_back_start_with_its_clips():
    assert window_stride(build_model("tokenizer", {**TOKENIZER, "image_size": 16}), 16) == 1
    assert window_stride(build_model("tokenizer", {**ST, "image_size": 16}), 16) == 16


def test_an_image_size_that_is_not_the_data_sets_is_refused(job) -> None:
    with pytest.raises(UserError, match=r"tokenizer.image_size is 64, but the frames of .* are 16x16"):
        train(replace(job, tokenizer={**TOKENIZER, "image_size": 64}))
    assert not job.folder.exists()


def test_a_tokenizer_for_frames_of_another_size_is_refused(job, tmp_path) -> None:
    model: Any = build_model("tokenizer", {**TOKENIZER, "image_size": 32})
    file = save_model(tmp_path / "t.pt", "tokenizer", model.config, model.state_dict())
    with pytest.raises(UserError, match=r"for frames of 32x32, but those of .* are 16x16"):
        train(guided(job, tokenizer_fpath=str(file)))
    assert not job.folder.exists()
