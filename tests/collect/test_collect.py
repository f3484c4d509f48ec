"""Collections: what was played is what is stored, the same bytes on any number of workers, and resumable."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from genieredux.collect import AgentConfig, GeneratorConfig, SilentReporter, SplitConfig, collect
from genieredux.envs import EnvConfig, Start, make
from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.policies import VARIANTS, Seen
from genieredux.policies.scripted import HeldPolicy, RandomPolicy

QUIET = SilentReporter()


def replay(episode, env):
    """Play a stored episode's actions from its start in a fresh environment."""
    env.assign(0, Start(episode.instance, episode.seed))
    frames, _ = env.reset()
    seen, rewards = [frames[0]], []
    for action in episode.actions:
        frames, reward, terminated, truncated, info = env.step(np.array([action]))
        ended = terminated[0] or truncated[0]
        seen.append(info["final_obs"][0] if ended and "_final_obs" in info else frames[0])
        rewards.append(reward[0])
    return np.array(seen), np.array(rewards, np.float32)


def test_what_is_stored_is_what_the_game_does(small, inline):
    summary = collect(small(), QUIET, inline)
    data = Dataset.open(summary.path)
    assert len(data) == summary.episodes == summary.total_episodes == 3 * 6 + 3
    assert data.spec.action_names == ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP")
    env = make(EnvConfig("fake"), 1, seed=0)
    for i in range(len(data)):
        episode = data.episode(i)
        frames, rewards = replay(episode, env)
        np.testing.assert_array_equal(episode.frames, frames)
        np.testing.assert_array_equal(episode.rewards, rewards)
        assert episode.truncated == (len(episode) == 41 and not episode.terminated)
        assert set(episode.info) == {"x", "y", "score"}
        assert episode.game == episode.console == "Fake"
    index = data.index.to_pydict()
    assert set(zip(index["split"], index["policy"], strict=True)) == {
        ("train", "random"),
        ("test.held", "held"),
    }
    assert {i for i, split in zip(index["instance"], index["split"], strict=True) if split == "train"} == {
        0,
        1,
        2,
    }
    assert {i for i, split in zip(index["instance"], index["split"], strict=True) if split != "train"} == {
        100,
        101,
        102,
    }


def test_procgen_episodes_replay_and_end_honestly(small, inline):
    cfg = small(
        name="coinrun",
        kind="procgen",
        games=("coinrun",),
        generator_config=GeneratorConfig(n_instances=6, n_sessions=6, n_steps_max=60, n_workers=2),
        splits=(SplitConfig("train", "held"),),
    )
    data = Dataset.open(collect(cfg, QUIET, inline).path)
    env = make(EnvConfig("procgen", "coinrun", num_workers=1), 1, seed=0)
    assert len(data) == 6
    for i in range(len(data)):
        episode = data.episode(i)
        frames, rewards = replay(episode, env)
        np.testing.assert_array_equal(episode.frames, frames)
        assert (episode.info["level_seed"] == episode.instance).all()
        assert len(episode) <= 61
        assert episode.truncated == (len(episode) == 61)
        assert episode.terminated != episode.truncated
        if episode.truncated:
            np.testing.assert_array_equal(episode.rewards, rewards)


def some_of_everything(small, root, kind, workers=1, seed=0):
    """Two groups, one of them by frames, of one game."""
    game = {"fake": "Fake", "procgen": "coinrun", "retro": "Airstriker-Genesis"}[kind]
    amounts = GeneratorConfig(n_steps_max=20, n_workers=workers)
    splits = (SplitConfig("train", n_sessions=3), SplitConfig("more", "held", n_instances=40, n_frames=50))
    return small(root, kind=kind, games=(game,), generator_config=amounts, splits=splits, seed=seed)


@pytest.mark.parametrize(("kind", "workers"), [("fake", (1, 2, 3)), ("procgen", (2,)), ("retro", (2,))])
def test_same_seed_same_bytes_whatever_the_workers(small, inline, kind, workers, files_of):
    one = files_of(collect(some_of_everything(small, "inline", kind), QUIET, inline).path)
    assert len(one) > 3 + 2
    for count in workers:
        assert files_of(collect(some_of_everything(small, f"w{count}", kind, count), QUIET).path) == one


@pytest.mark.parametrize("seed", range(3))
def test_same_bytes_in_whatever_order_episodes_end(small, inline, files_of, seed):
    amounts = GeneratorConfig(n_steps_max=30, n_workers=1 + seed)
    splits = (
        SplitConfig("train", n_instances=4, n_sessions=16),
        SplitConfig("more", "held", n_instances=40, n_frames=300),
    )
    values = {"games": ("Fake", "Other", "Third"), "generator_config": amounts, "splits": splits}
    one = files_of(collect(small("one", **values), QUIET, inline).path)
    assert files_of(collect(small("other", **values), QUIET, inline.ordered(seed)).path) == one


def test_another_seed_is_another_data_set(small, inline, files_of):
    paths = [collect(some_of_everything(small, f"s{seed}", "fake", seed=seed), QUIET, inline).path for seed in (0, 1)]
    assert files_of(paths[0]).keys() != files_of(paths[1]).keys()


class TogetherRandom(RandomPolicy):
    """Random play by a policy that says that it must act for all environments at once."""

    plays_alone = False


class TogetherHeld(HeldPolicy):
    """The same of held actions."""

    plays_alone = False


class Looking:
    """A policy whose action rests on everything that it is shown."""

    name, plays_alone = "looking", True

    def __init__(self, num_actions):
        self.num_actions = num_actions

    def act(self, seen):
        pictures = seen.frames.reshape(len(seen.frames), -1).sum(1, dtype=np.int64)
        before = np.where(seen.begun, 1, 3 * seen.actions + 5 * np.round(seen.rewards).astype(np.int64))
        return (pictures + before + 7 * seen.begun) % self.num_actions


class LookingTogether(Looking):
    """The same, for all environments at once."""

    plays_alone = False


def test_a_policy_sees_the_same_alone_and_in_lock_step(small, inline, monkeypatch):
    monkeypatch.setitem(VARIANTS, "random", f"{__name__}:Looking")
    monkeypatch.setitem(VARIANTS, "held", f"{__name__}:Looking")
    alone = Dataset.open(collect(some_of_everything(small, "alone", "fake"), QUIET, inline).path)
    monkeypatch.setitem(VARIANTS, "random", f"{__name__}:LookingTogether")
    monkeypatch.setitem(VARIANTS, "held", f"{__name__}:LookingTogether")
    together = Dataset.open(collect(some_of_everything(small, "together", "fake"), QUIET, no_workers).path)
    taken = [alone.actions(i).tolist() for i in range(len(alone))]
    assert taken == [together.actions(i).tolist() for i in range(len(together))]
    assert len({tuple(actions) for actions in taken}) > 1
    for i in range(len(alone)):
        episode, policy = alone.episode(i), Looking(len(alone.spec.action_names))
        seen = Seen.first(episode.frames[:1], np.zeros(1))
        for t, action in enumerate(episode.actions):
            assert policy.act(seen)[0] == action
            seen = Seen(
                episode.frames[t + 1 : t + 2],
                episode.rewards[t : t + 1],
                np.zeros(1, bool),
                episode.actions[t : t + 1],
                np.zeros(1, bool),
                np.zeros(1, np.int64),
            )


class Unshown:
    """A game whose third action ends it without a frame, for the reward of 10."""

    name, console, action_names = "Unshown", "Fake", ("A", "B")
    native = np.zeros((64, 64, 3), np.uint8)

    def begin(self, start):
        self.steps = 0
        return np.zeros((64, 64, 3), np.uint8), {}

    def step(self, action):
        self.steps += 1
        last = self.steps == 3
        return (None if last else np.full((64, 64, 3), self.steps, np.uint8)), 10.0 if last else 0.5, last, False, {}

    def close(self):
        pass


def test_the_reward_of_an_end_that_is_not_shown_is_kept(small, inline, monkeypatch):
    monkeypatch.setattr("genieredux.collect.worker.make_solo", lambda env: Unshown())
    amounts = GeneratorConfig(n_steps_max=20, n_sessions=2, n_instances=2, n_workers=1)
    cfg = small("unshown", generator_config=amounts, splits=(SplitConfig("train"),))
    stored = Dataset.open(collect(cfg, QUIET, inline).path)
    assert [stored.episode(i).rewards.tolist() for i in range(2)] == [[0.5, 10.5]] * 2


@pytest.mark.parametrize("kind", ["fake", "procgen", "retro"])
def test_playing_alone_and_in_lock_step_give_the_same_bytes(small, kind, inline, files_of, monkeypatch):
    alone = files_of(collect(some_of_everything(small, "alone", kind), QUIET, inline).path)
    monkeypatch.setitem(VARIANTS, "random", f"{__name__}:TogetherRandom")
    monkeypatch.setitem(VARIANTS, "held", f"{__name__}:TogetherHeld")
    together = some_of_everything(small, "together", kind)
    assert files_of(collect(together, QUIET, no_workers).path) == alone


def no_workers(workers):
    """A backend for collections that must not use one."""
    raise AssertionError("policies that act together need no workers")


def test_an_amount_in_frames_is_reached_and_hardly_passed(small, inline):
    amounts = GeneratorConfig(n_steps_max=40, n_workers=1)
    cfg = small(generator_config=amounts, splits=(SplitConfig("train", n_instances=50, n_frames=500),))
    summary = collect(cfg, QUIET, inline)
    lengths = Dataset.open(summary.path).lengths
    assert 500 <= summary.frames == sum(lengths) < 500 + 41


def test_a_second_run_plays_nothing_and_changes_nothing(small, inline, files_of):
    first = collect(small(), QUIET, inline)
    before = files_of(first.path)
    again = collect(small(), QUIET, inline)
    assert (again.episodes, again.frames) == (0, 0)
    assert again.total_episodes == first.total_episodes
    assert files_of(first.path) == before


def test_a_larger_amount_adds_to_what_is_there(small, inline, files_of):
    few = collect(small(sessions=2), QUIET, inline)
    episodes = {k: v for k, v in files_of(few.path).items() if k.startswith("episodes")}
    more = collect(small(sessions=4), QUIET, inline)
    assert more.episodes == 6
    after = files_of(more.path)
    assert all(after[name] == content for name, content in episodes.items())


def test_a_lost_file_is_played_again(small, inline, files_of):
    path = collect(small(), QUIET, inline).path
    before = files_of(path)
    next((path / "episodes").glob("*train*000004*")).unlink()
    assert collect(small(), QUIET, inline).episodes == 1
    assert files_of(path) == before


def test_more_workers_than_episodes(small, inline):
    amounts = GeneratorConfig(n_instances=1, n_sessions=1, n_steps_max=5, n_workers=3)
    summary = collect(small(generator_config=amounts, splits=(SplitConfig(),)), QUIET, inline)
    assert summary.episodes == 1
    assert summary.frames == 6


def test_sticky_actions_are_played_and_noted(small, inline):
    def repeats(root, **agent):
        cfg = small(root, agent=AgentConfig(**agent), splits=(SplitConfig("train"),))
        data = Dataset.open(collect(cfg, QUIET, inline).path)
        actions = [data.episode(i).actions for i in range(len(data))]
        return np.mean([np.mean(taken[1:] == taken[:-1]) for taken in actions]), data.spec.created_by

    share, made_by = repeats("sticky", sticky=0.5)
    assert abs(share - 0.6) < 0.07  # half of the time, and a fifth of the rest by chance
    assert made_by["connector"]["agent"]["sticky"] == 0.5
    assert abs(repeats("plain")[0] - 0.2) < 0.07
    with pytest.raises(UserError, match="sticky"):
        AgentConfig(sticky=1.0)


def test_several_games_share_a_data_set(small, inline):
    amounts = GeneratorConfig(n_instances=2, n_sessions=1, n_steps_max=10, n_workers=1)
    cfg = small(
        kind="procgen",
        games=("coinrun", "climber"),
        tags={"climber": ("side", "free", "pl")},
        generator_config=amounts,
        splits=(SplitConfig(),),
    )
    data = Dataset.open(collect(cfg, QUIET, inline).path)
    tags = {data.episode(i).game: data.episode(i).tags for i in range(len(data))}
    assert tags == {"coinrun": (), "climber": ("side", "free", "pl")}
    with pytest.raises(UserError, match="different actions"):
        collect(small("other", kind="procgen", games=("coinrun", "maze")), QUIET, inline)


def test_games_without_a_rom_stop_or_are_left_out(small, tmp_path):
    amounts = GeneratorConfig(n_sessions=1, n_steps_max=5, n_workers=1)
    values = {
        "kind": "retro",
        "games": ("SuperMarioBros-Nes", "Airstriker-Genesis"),
        "generator_config": amounts,
        "splits": (SplitConfig(),),
    }
    with pytest.raises(UserError, match="not imported"):
        collect(small(**values), QUIET)
    assert not (tmp_path / "data").exists()
    assert collect(small(skip_missing_games=True, **values), QUIET).episodes == 1


def test_another_kind_of_data_set_in_the_way_is_left_alone(small, inline, files_of):
    path = collect(small(), QUIET, inline).path
    before = files_of(path)
    with pytest.raises(UserError, match="image_size"):
        collect(small(image_size=32), QUIET, inline)
    assert files_of(path) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_skip_frames": 2}, "n_skip_frames"),
        ({"generator_config": GeneratorConfig(n_instances=3, n_sessions=6, n_steps_max=30)}, "n_steps_max"),
        ({"splits": (SplitConfig("train", start_level=7),)}, "rename the split"),
    ],
)
def test_a_data_set_made_otherwise_is_not_continued(small, inline, files_of, change, message):
    path = collect(small(), QUIET, inline).path
    before = files_of(path)
    with pytest.raises(UserError, match=message):
        collect(small(**change), QUIET, inline)
    assert files_of(path) == before


def test_the_data_set_says_how_it_was_made(small, inline):
    cfg = small()
    made_by = Dataset.open(collect(cfg, QUIET, inline).path).spec.created_by
    assert made_by["seed"] == 0
    assert made_by["connector"]["games"] == ["Fake"]
    assert "n_workers" not in made_by["connector"]["generator_config"]
    assert "numpy" in made_by["versions"]
    assert "reset" in made_by["episode_ends"]
    assert replace(cfg, seed=1).connector.dataset_name == "fake_v0.0.0"


@pytest.mark.parametrize(
    ("agent", "digest"),
    [
        ({}, "1031cef2d0d23628"),
        ({"sticky": 0.5}, "c9085cf455304d11"),
        ({"gamma": 0.2, "sticky": 0.3}, "cdb3eacb926ae608"),
        ({"gamma": 0.3}, "0619abe7a8ce0f7a"),
    ],
)
def test_the_same_seed_plays_what_it_always_played(small, inline, agent, digest):
    """Digests of version 0.1: a data set that was begun then goes on as the same data set."""
    splits = (SplitConfig("train", n_sessions=3), SplitConfig("more", "held", n_instances=40, n_frames=200))
    cfg = small(agent=AgentConfig(**agent), generator_config=GeneratorConfig(n_steps_max=60), splits=splits)
    data = Dataset.open(collect(cfg, QUIET, inline).path)
    content = hashlib.sha256()
    for i in range(len(data)):
        episode = data.episode(i)
        info = [episode.info[key].astype(float) for key in sorted(episode.info)]
        for array in (episode.frames, episode.actions, episode.rewards, *info):
            content.update(np.ascontiguousarray(array).tobytes())
        facts = (episode.id, episode.seed, episode.instance, episode.split, episode.policy)
        content.update(" ".join(map(str, (*facts, episode.terminated, episode.truncated))).encode())
    assert content.hexdigest()[:16] == digest
