"""The inverse-dynamics model, on episodes whose every transition says which action it was."""

from pathlib import Path

import numpy as np
import pytest
import torch

from genieredux.episodes import Dataset, DatasetSpec, DatasetWriter
from genieredux.episodes.fake import ACTION_NAMES, PLACES, fake_dataset, fake_episode, fake_spec
from genieredux.errors import UserError
from genieredux.evaluation.actions.inverse_dynamics import (
    InverseDynamics,
    InverseDynamicsConfig,
    least_predictable,
    make_network,
    train_inverse_dynamics,
)
from genieredux.evaluation.actions.transitions import Transitions


def accuracy_of(reader, frames, actions):
    """Whether each transition shows its action."""
    return reader.predict(frames) == actions


LENGTHS = (40, 30, 17, 64, 16, 50, 60, 40, 30, 70)
CONFIG = InverseDynamicsConfig(steps=150, batch_size=48, width=16)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return fake_dataset(tmp_path_factory.mktemp("data") / "set", LENGTHS)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def trained(dataset: Dataset, cache: Path) -> InverseDynamics:
    return train_inverse_dynamics(dataset.select(split="train"), dataset.select(split="test"), CONFIG, cache=cache)


def clip(length: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    episode = fake_episode(length, seed)
    return torch.from_numpy(episode.frames).movedim(-1, 1).float()[None] / 255, torch.from_numpy(episode.actions)[None]


def test_it_tells_every_action_of_a_world_that_shows_them(trained):
    assert trained.held_out.accuracy > 0.97
    assert trained.held_out.transitions == sum(length - 1 for length in (16, 70))
    assert set(trained.held_out.per_action) == set(ACTION_NAMES)
    assert trained.held_out.chance["majority"] < 0.5
    frames, actions = clip(50, seed=77)
    assert trained.predict(frames).shape == (1, 49)
    assert accuracy_of(trained, frames, actions).float().mean() > 0.97
    torch.testing.assert_close(trained.log_probs(frames).exp().sum(-1), torch.ones(1, 49))
    # One transition alone, without the frame before it, will do.
    alone = torch.cat([trained.predict(frames[:, k : k + 2]) for k in range(20)], 1)
    assert (alone == actions[:, :20]).float().mean() > 0.9


def test_what_shows_other_actions_scores_lower(trained):
    frames, actions = clip(60, seed=5)
    backwards = accuracy_of(trained, frames.flip(1), actions).float().mean()
    frozen = accuracy_of(trained, frames[:, :1].expand_as(frames), actions).float().mean()
    stays = (actions == 0).float().mean()
    assert backwards < 0.6
    assert frozen == pytest.approx(float(stays))  # nothing moves: STAY


def test_frames_are_read_alike_at_any_batch_size(trained):
    frames = torch.cat([clip(30, seed)[0] for seed in range(12)])
    together = trained.log_probs(frames)
    torch.testing.assert_close(together[3:4], trained.log_probs(frames[3:4]), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="16, 16"):
        trained.predict(torch.rand(1, 5, 3, 32, 32))
    with pytest.raises(ValueError, match="T of 2 or more"):
        trained.predict(frames[:, :1])


def test_a_second_call_reads_the_first_ones_answer(dataset, trained, cache):
    def must_not_train(done: int, total: int, loss: float) -> None:
        raise AssertionError("it trained again")

    train, test = dataset.select(split="train"), dataset.select(split="test")
    again = train_inverse_dynamics(train, test, CONFIG, must_not_train, cache)
    assert (again.id, again.seconds) == (trained.id, trained.seconds)
    assert again.held_out == trained.held_out
    frames, _ = clip(20, 3)
    torch.testing.assert_close(again.log_probs(frames), trained.log_probs(frames), rtol=0, atol=0)

    steps = []
    few = InverseDynamicsConfig(steps=2, width=16)
    fewer = train_inverse_dynamics(train.take([0, 1, 2]), test, few, lambda *step: steps.append(step[:2]), cache)
    assert steps == [(1, 2), (2, 2)]
    other_seed = train_inverse_dynamics(train.take([0, 1, 2]), test, InverseDynamicsConfig(steps=2, width=16, seed=1))
    assert len({trained.id, fewer.id, other_seed.id}) == 3


def test_the_same_arguments_learn_the_same(dataset, tmp_path):
    config = InverseDynamicsConfig(steps=5, width=16)
    networks = [train_inverse_dynamics(dataset, dataset, config, cache=tmp_path / name) for name in "ab"]
    frames, _ = clip(20, 3)
    torch.testing.assert_close(*(network.log_probs(frames) for network in networks), rtol=1e-5, atol=1e-6)
    assert networks[0].held_out.transitions == networks[1].held_out.transitions > 0


def test_a_damaged_answer_is_learned_again(dataset, tmp_path, caplog):
    config = InverseDynamicsConfig(steps=2, width=16)
    train_inverse_dynamics(dataset, dataset, config, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    train_inverse_dynamics(dataset, dataset, config, cache=tmp_path)
    assert "learning it again" in caplog.text
    assert len(file.read_bytes()) == len(whole)


def test_what_cannot_be_learned_from(tmp_path):
    single = DatasetSpec("single", 16, ("WAIT",))
    with DatasetWriter(tmp_path / "single", single) as writer:
        for seed in range(2):
            episode = fake_episode(5, seed)
            writer.append(type(episode)(**{**vars(episode), "actions": np.zeros(4, np.int64)}))
    with pytest.raises(UserError, match="single action WAIT"):
        train_inverse_dynamics(*[Dataset.open(tmp_path / "single")] * 2)
    with pytest.raises(UserError, match="no transition"):
        train_inverse_dynamics(*[fake_dataset(tmp_path / "stills", (1, 1))] * 2, cache=tmp_path)
    with pytest.raises(UserError, match="steps is 0"):
        InverseDynamicsConfig(steps=0)


def test_transitions_stay_within_their_episode(dataset):
    transitions = Transitions.load(dataset, max_frames=200, seed=0)
    assert len(transitions.frames) == 200
    before, now, after, actions = transitions.read(transitions.starts)
    places = [frames[:, 0, 0].argmax(-1) for frames in (before, now, after)]
    assert ((places[1] + actions - places[2]) % PLACES == 0).all()
    first = torch.from_numpy(transitions.before[transitions.starts] == transitions.starts)
    assert 0 < first.sum() <= len(LENGTHS)
    assert ((places[1] - places[0])[~first] % PLACES <= 2).all()
    assert (before[first] == now[first]).all()
    alone = transitions.read(transitions.starts, np.ones(len(transitions.starts), bool))[0]
    assert (alone == now).all()


def test_rare_actions_are_drawn_as_often():
    actions = np.array([0] * 90 + [1] * 9 + [-1])
    transitions = Transitions(np.zeros((100, 16, 16, 3), np.uint8), actions, np.arange(100))
    drawn = actions[transitions.draw_balanced(np.random.default_rng(0), 1000)]
    assert set(drawn.tolist()) == {0, 1}
    assert 400 < (drawn == 1).sum() < 600


@pytest.mark.parametrize("size", [16, 48, 64, 128])
def test_networks_for_frames_of_any_size(size):
    assert make_network(size, 5, 16, seed=0)(torch.zeros(2, 9, size, size)).shape == (2, 5)


def test_it_learns_from_the_policy_that_says_least(tmp_path):
    def play(policy: str, seed: int, hold: int) -> object:
        episode = fake_episode(41, seed, policy=policy)
        actions = np.random.default_rng(seed).integers(3, size=40 // hold).repeat(hold)
        return type(episode)(**{**vars(episode), "actions": actions})

    with DatasetWriter(tmp_path / "set", fake_spec()) as writer:
        for seed in range(4):
            writer.append(play("random", seed, 1))
            writer.append(play("held", 10 + seed, 8))
            writer.append(play("mixed", 20 + seed, 1))
    dataset = Dataset.open(tmp_path / "set")
    chosen = least_predictable(dataset)
    assert set(chosen.index["policy"].to_pylist()) == {"random", "mixed"}
    assert len(chosen) == 8
    held = dataset.select(policy="held")
    assert least_predictable(held) is held
    few = dataset.take([i for i, p in enumerate(dataset.index["policy"].to_pylist()) if p == "held"] * 30 + [8])
    assert few.index["policy"].to_pylist()[-1] != "held"
    assert least_predictable(few) is few  # a single episode is too little to learn from
