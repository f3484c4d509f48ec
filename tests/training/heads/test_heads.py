"""Heads learn what earns and what ends from a data set, travel in a world's file, and judge its dreams."""

import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

from factories import make_tokenizer
from genieredux.cli.main import run
from genieredux.dreams import ENV_ID
from genieredux.dreams.env import DreamVectorEnv
from genieredux.episodes import Dataset
from genieredux.episodes.fake import fake_dataset, fake_episode, fake_spec
from genieredux.episodes.writer import DatasetWriter
from genieredux.errors import UserError
from genieredux.models.build import build_model
from genieredux.models.checkpoint import Section, load_model, save_model
from genieredux.models.world.fake import FakeWorld
from genieredux.models.world.file import load_world, open_world, write_with_heads
from genieredux.models.world.heads import OutcomeHeads, OutcomeHeadsConfig, balanced
from genieredux.training.heads import HeadsEval, HeadsJob, measure_heads, train_heads
from genieredux.training.heads.dreamed import GIVEN, redraw
from genieredux.training.heads.outcomes import LEVELS, Table, Transitions, draw, outcome_table
from genieredux.training.heads.source import OutcomeSource

JUMP = 2
"""The action of the fake game that earns 1."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return fake_dataset(tmp_path_factory.mktemp("data") / "fake", (100, 9, *[100] * 10))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    """A small world that was never trained."""
    tokenizer, names = make_tokenizer(image_size=16), dataset.spec.action_names
    small = {"dim": 16, "heads": 2, "dim_head": 8, "local_width": 8, "history_blocks": 1}
    dynamics = build_model("genie_redux_guided", small, tokenizer=tokenizer, action_names=names)
    prompt = dataset.clip(0, 0, 5)
    held = {"frames": torch.from_numpy(prompt.frames)[None], "actions": torch.from_numpy(prompt.actions)[None]}
    sections = {
        "tokenizer": Section("tokenizer", vars(tokenizer.config), tokenizer.state_dict()),
        "prompts": Section("prompts", {}, held),
    }
    path = tmp_path_factory.mktemp("world") / "world.pt"
    metadata = {"action_names": list(names)}
    kind, config = "genie_redux_guided", dynamics.config
    return save_model(path, kind, config, dynamics.state_dict(), metadata=metadata, sections=sections)


def job(world: Path, dataset: Dataset, folder: Path, **changes: object) -> HeadsJob:
    values = {"steps": 80, "batch_size": 32, "width": 8, "dreamed": 24, "horizon": 2, "learning_rate": 4e-3}
    places = {"world": str(world), "dataset": dataset.path, "out": str(folder / "made.pt")}
    return HeadsJob(**{**values, **places, "checkpoints_dpath": str(folder / "runs"), **changes})  # type: ignore[arg-type]


def test_what_earns_is_learned_and_travels_with_the_world(world: Path, dataset: Dataset, tmp_path: Path) -> None:
    made = train_heads(job(world, dataset, tmp_path))
    reward = made.found["true frames: reward"]
    assert reward.auc > 0.98
    assert reward.precision > 0.9
    assert set(made.found) == {f"{kind} frames: {what}" for kind in ("true", "dreamt") for what in ("end", "reward")}
    kept = json.loads((made.run.model_path.parent / "heads.json").read_text())
    assert kept["true frames: reward"]["auc"] == reward.auc
    assert load_model(made.world).metadata["heads"]["measured"] == kept

    before, after = load_model(world), load_model(made.world)
    assert after.model.fingerprint == before.model.fingerprint
    assert (load_world(made.world)[1][0][0] == load_world(world)[1][0][0]).all()
    again = measure_heads(HeadsEval(world=str(made.world), dataset=dataset.path, dreamed=0))
    assert again["true frames: reward"] == reward

    envs = gymnasium.make_vec(f"genieredux:{ENV_ID}", 2, world=str(made.world))
    earned = []
    for seed in range(10):
        envs.reset(seed=seed)
        _, _, _, _, infos = envs.step(np.array([JUMP, 0]))
        earned.append(infos["expected_reward"])
    assert np.mean(earned, 0).shape == (2,)
    assert ((np.array(earned) >= 0) & (np.array(earned) <= 1)).all()


def test_interrupted_training_goes_on_to_the_same_weights(world: Path, dataset: Dataset, tmp_path: Path) -> None:
    whole = train_heads(job(world, dataset, tmp_path / "whole", steps=12, dreamed=8))
    train_heads(job(world, dataset, tmp_path / "parts", steps=12, dreamed=8))
    run = tmp_path / "parts/runs/outcome_heads/heads"
    for step in (9, 12):
        for kind in ("model", "state"):
            (run / f"{kind}-{step}.pt").unlink()
    (tmp_path / "parts/made.pt").unlink()
    rest = train_heads(job(world, dataset, tmp_path / "parts", steps=12, dreamed=8))
    assert load_model(rest.run.model_path).model.fingerprint == load_model(whole.run.model_path).model.fingerprint


def test_the_outcomes_of_a_data_set(dataset: Dataset) -> None:
    training = dataset.select(split="train")
    transitions = Transitions.of(training)
    table = outcome_table(transitions, "here")
    pairs = sorted(zip(table.rewards.tolist(), table.ends.tolist(), strict=True))
    assert pairs[:3] == [(0.0, False), (0.0, True), (1.0, False)]
    episode = training.episode(1)
    mine = transitions.take(np.flatnonzero(transitions.episodes == 1))
    assert (mine.rewards == episode.rewards).all()
    assert mine.ends.tolist() == [False] * (len(episode) - 2) + [episode.terminated]
    outcomes = table.index(transitions.rewards, transitions.ends)
    assert (table.rewards[outcomes] == transitions.rewards).all()
    assert (table.ends[outcomes] == transitions.ends).all()
    assert table.shares == pytest.approx(np.bincount(outcomes) / len(outcomes))


def test_many_rewards_are_a_few_levels_and_none_at_all_is_said() -> None:
    count = 1000
    rewards = np.random.default_rng(0).normal(size=count).astype(np.float32)
    nothing = np.zeros(count, np.int64)
    made = Transitions(nothing, nothing, rewards, np.zeros(count, bool))
    table = outcome_table(made, "here")
    assert len(table.rewards) == LEVELS
    outcomes = table.index(rewards, np.zeros(count, bool))
    assert abs(float((table.rewards[outcomes] - rewards).mean())) < 0.05
    alike = Transitions(nothing, nothing, np.zeros(count, np.float32), np.zeros(count, bool))
    with pytest.raises(UserError, match="every step in here earns 0 and none ends"):
        outcome_table(alike, "here")


def test_an_unknown_outcome_is_the_nearest_that_ends_alike() -> None:
    table = Table(np.array([0.0, 0.0, 10.0]), np.array([False, True, True]), np.array([0.9, 0.05, 0.05]))
    assert table.index(np.array([10, 6, 1], np.float32), np.array([False, True, True])).tolist() == [0, 2, 1]
    only = Table(np.array([0.0, 1.0]), np.array([False, False]), np.array([0.5, 0.5]))
    assert only.index(np.array([1], np.float32), np.array([True])).tolist() == [1]


def test_rare_outcomes_are_drawn_as_often_as_said() -> None:
    outcomes = np.array([0] * 990 + [1] * 10)
    drawn = outcomes[draw(outcomes, [0.5, 0.3, 0.2], 20_000, np.random.default_rng(0))]
    assert abs(drawn.mean() - 0.375) < 0.02  # what no transition has is left out
    shares = balanced(torch.tensor([0.99, 0.01]))
    assert shares.tolist() == pytest.approx([0.745, 0.255])


def test_redrawn_transitions_are_those_of_the_world(dataset: Dataset) -> None:
    transitions = Transitions.of(dataset)
    fake = FakeWorld(dataset.spec.action_names, image_size=16, tile=1, obeys=False)
    rows = np.flatnonzero((transitions.episodes == 3) & (transitions.starts > 20))
    made = redraw(fake, dataset, transitions, rows, horizon=3, seed=0)
    assert made.rows.tolist() == rows.tolist()
    assert (made.actions == dataset.episode(3).actions[transitions.starts[rows]]).all()
    assert (made.frames[:, 0] == made.frames[:, 1]).all()  # this world repeats the frame before
    early = redraw(fake, dataset, transitions, np.arange(3), horizon=1, seed=0)
    assert early.rows.tolist() == []
    first = np.flatnonzero((transitions.episodes == 3) & (transitions.starts == GIVEN - 1))
    assert len(redraw(fake, dataset, transitions, first, horizon=1, seed=0).rows) == 1


def test_a_batch_is_true_and_depends_on_its_number_alone(dataset: Dataset) -> None:
    transitions = Transitions.of(dataset)
    table = outcome_table(transitions, "here")
    outcomes = table.index(transitions.rewards, transitions.ends)
    source = OutcomeSource(dataset, transitions, outcomes, table, 16, seed=5)
    batch, again, other = source.batch(3), source.batch(3), source.batch(4)
    assert batch.frames is not None
    assert batch.actions is not None
    assert batch.outcomes is not None
    assert all(torch.equal(getattr(batch, name), getattr(again, name)) for name in ("frames", "actions", "outcomes"))
    assert not torch.equal(batch.frames, other.frames)
    assert (torch.from_numpy(table.rewards)[batch.outcomes] == (batch.actions[:, 0] == JUMP)).all()


def test_chances_can_be_believed(world: Path, dataset: Dataset, tmp_path: Path) -> None:
    """Batches have other shares than the game, which chances are corrected for; and ends come at random here, so no
    head can tell them: their mean chance is their share all the same."""
    made = train_heads(job(world, dataset, tmp_path, dreamed=0))
    end, reward = made.found["true frames: end"], made.found["true frames: reward"]
    assert abs(end.expected - end.base) < 0.02
    assert abs(reward.expected - reward.base) < 0.03
    assert reward.recall > 0.9


def test_heads_of_another_world_are_named(world: Path, dataset: Dataset, tmp_path: Path) -> None:
    config = OutcomeHeadsConfig(
        image_size=16, num_actions=7, rewards=(0.0, 1.0), ends=(False, True), frequencies=(0.9, 0.1)
    )
    heads = OutcomeHeads(config)
    section = Section(heads.kind, vars(config), heads.state_dict())
    path = write_with_heads(tmp_path / "other.pt", world, section)
    with pytest.raises(UserError, match="holds heads of 7 actions"):
        open_world(path)
    with pytest.raises(UserError, match="'prompts' as heads"):
        open_world(write_with_heads(tmp_path / "none.pt", world, Section("prompts", {}, {})))
    with pytest.raises(UserError, match="do not fit their configuration"):
        open_world(write_with_heads(tmp_path / "broken.pt", world, Section(heads.kind, vars(config), {})))
    with pytest.raises(UserError, match="has no heads; `genieredux heads train"):
        measure_heads(HeadsEval(world=str(world), dataset=dataset.path))
    names = DreamVectorEnv(world, num_envs=1).action_names
    assert names == dataset.spec.action_names


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train", "out=a.pt"], "dataset is missing"),
        (["train", "dataset=D", "out=a.pt", "step=3"], "did you mean 'steps'"),
        (["train", "dataset=D", "out=a.pt", "steps=0"], "steps is 0; it must be from 1 to 1000000000"),
        (
            ["train", "dataset=D", "out=a.pt", "batch_size=1000000000000"],
            "batch_size is 1000000000000; it must be from",
        ),
        (["train", "dataset=D", "out=a.pt", "learning_rate=nan"], "learning_rate is nan; it must be from"),
        (["train", "dataset=nowhere", "out=a.pt"], "nowhere"),
        (["train", "dataset=D", "out=WORLD"], "exists; give another"),
        (["train", "dataset=D", "out=a.pt", "world=nowhere.pt"], "no checkpoint at nowhere.pt"),
        (["eval", "world=nowhere.pt", "dataset=D"], "no checkpoint at nowhere.pt"),
        (["evil", "dataset=D"], "did you mean 'eval'"),
    ],
)
def test_bad_words_are_one_line(
    words: list[str],
    expected: str,
    world: Path,
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"dataset=D": f"dataset={dataset.path}", "out=WORLD": f"out={world}"}
    given = [places.get(word, word) for word in words]
    if words[0] == "train" and not any(word.startswith("world=") for word in words):
        given.append(f"world={world}")
    assert run(["heads", *given]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert expected in error
    assert list(tmp_path.iterdir()) == []


def test_a_data_set_of_another_game_is_named(world: Path, tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "large", fake_spec(32)) as writer:
        writer.append(fake_episode(20, image_size=32))
    with pytest.raises(UserError, match="frames of 32 pixels a side, this world 16"):
        train_heads(job(world, Dataset.open(tmp_path / "large"), tmp_path))
    assert not (tmp_path / "made.pt").exists()
    assert not (tmp_path / "runs").exists()
