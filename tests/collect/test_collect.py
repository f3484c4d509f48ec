"""Collections: what was played is what is stored, the same bytes on any number of workers, and resumable."""

from dataclasses import replace

import numpy as np
import pytest

from genieredux.collect import GeneratorConfig, SilentReporter, SplitConfig, collect
from genieredux.envs import EnvConfig, Start, make
from genieredux.episodes import Dataset
from genieredux.errors import UserError

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


def test_what_is_stored_is_what_the_game_does(small):
    summary = collect(small(), QUIET)
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


def test_procgen_episodes_replay_and_end_honestly(small):
    cfg = small(
        name="coinrun",
        kind="procgen",
        games=("coinrun",),
        generator_config=GeneratorConfig(n_instances=6, n_sessions=1, n_steps_max=60, n_workers=2),
        splits=(SplitConfig("train", "held"),),
    )
    data = Dataset.open(collect(cfg, QUIET).path)
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


@pytest.mark.parametrize("kind", ["fake", "procgen", "retro"])
def test_same_seed_same_bytes_whatever_the_workers(small, kind, files_of):
    game = {"fake": "Fake", "procgen": "coinrun", "retro": "Airstriker-Genesis"}[kind]
    written = []
    for workers in (1, 2):
        amounts = GeneratorConfig(n_instances=1, n_sessions=3, n_steps_max=20, n_workers=workers)
        splits = (SplitConfig("train"), SplitConfig("more", "held", n_instances=40, n_frames=50))
        cfg = small(f"w{workers}", kind=kind, games=(game,), generator_config=amounts, splits=splits)
        written.append(files_of(collect(cfg, QUIET).path))
    assert written[0] == written[1]
    other = small("other", seed=1, kind=kind, games=(game,), generator_config=amounts, splits=splits)
    assert files_of(collect(other, QUIET).path).keys() != written[0].keys()


def test_an_amount_in_frames_is_reached_and_hardly_passed(small):
    cfg = small(splits=(SplitConfig("train", n_instances=50, n_frames=500),))
    summary = collect(cfg, QUIET)
    lengths = Dataset.open(summary.path).lengths
    assert 500 <= summary.frames == sum(lengths) < 500 + 41


def test_a_second_run_plays_nothing_and_changes_nothing(small, files_of):
    first = collect(small(), QUIET)
    before = files_of(first.path)
    again = collect(small(), QUIET)
    assert (again.episodes, again.frames) == (0, 0)
    assert again.total_episodes == first.total_episodes
    assert files_of(first.path) == before


def test_a_larger_amount_adds_to_what_is_there(small, files_of):
    few = collect(small(sessions=2), QUIET)
    episodes = {k: v for k, v in files_of(few.path).items() if k.startswith("episodes")}
    more = collect(small(sessions=4), QUIET)
    assert more.episodes == 6
    after = files_of(more.path)
    assert all(after[name] == content for name, content in episodes.items())


def test_a_lost_file_is_played_again(small, files_of):
    path = collect(small(), QUIET).path
    before = files_of(path)
    next((path / "episodes").glob("*train*000004*")).unlink()
    assert collect(small(), QUIET).episodes == 1
    assert files_of(path) == before


def test_more_workers_than_episodes(small):
    amounts = GeneratorConfig(n_instances=1, n_sessions=1, n_steps_max=5, n_workers=3)
    summary = collect(small(generator_config=amounts, splits=(SplitConfig(),)), QUIET)
    assert summary.episodes == 1
    assert summary.frames == 6


def test_several_games_share_a_data_set(small):
    amounts = GeneratorConfig(n_instances=2, n_sessions=1, n_steps_max=10, n_workers=1)
    cfg = small(
        kind="procgen",
        games=("coinrun", "climber"),
        tags={"climber": ("side", "free", "pl")},
        generator_config=amounts,
        splits=(SplitConfig(),),
    )
    data = Dataset.open(collect(cfg, QUIET).path)
    tags = {data.episode(i).game: data.episode(i).tags for i in range(len(data))}
    assert tags == {"coinrun": (), "climber": ("side", "free", "pl")}
    with pytest.raises(UserError, match="different actions"):
        collect(small("other", kind="procgen", games=("coinrun", "maze")), QUIET)


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


def test_another_kind_of_data_set_in_the_way_is_left_alone(small, files_of):
    path = collect(small(), QUIET).path
    before = files_of(path)
    with pytest.raises(UserError, match="image_size"):
        collect(small(image_size=32), QUIET)
    assert files_of(path) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_skip_frames": 2}, "n_skip_frames"),
        ({"generator_config": GeneratorConfig(n_instances=3, n_sessions=6, n_steps_max=30)}, "n_steps_max"),
        ({"splits": (SplitConfig("train", start_level=7),)}, "rename the split"),
    ],
)
def test_a_data_set_made_otherwise_is_not_continued(small, files_of, change, message):
    path = collect(small(), QUIET).path
    before = files_of(path)
    with pytest.raises(UserError, match=message):
        collect(small(**change), QUIET)
    assert files_of(path) == before


def test_the_data_set_says_how_it_was_made(small):
    cfg = small()
    made_by = Dataset.open(collect(cfg, QUIET).path).spec.created_by
    assert made_by["seed"] == 0
    assert made_by["connector"]["games"] == ["Fake"]
    assert "n_workers" not in made_by["connector"]["generator_config"]
    assert "numpy" in made_by["versions"]
    assert "reset" in made_by["episode_ends"]
    assert replace(cfg, seed=1).connector.dataset_name == "fake_v0.0.0"
