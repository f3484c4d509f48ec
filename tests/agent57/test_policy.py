"""The policy `agent57`: an agent of this project's, a published one, and data sets that they make."""

import numpy as np
import pytest
import torch

from compat.published_agent57 import published_state
from genieredux.agent57.frames import grey
from genieredux.agent57.policy import Player, open_player
from genieredux.agent57.run import train
from genieredux.cli.main import run
from genieredux.compat import agent57 as published
from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.models.agent57.file import find_agent, load_agent
from genieredux.policies import PolicySpec, Seen

NAMES = ("UP", "DOWN", "LEFT", "RIGHT")


@pytest.fixture
def file(make_config):
    return str(train(make_config(train={"num_train_steps": 2})).model_path)


@pytest.fixture(scope="module")
def ckpt(tmp_path_factory):
    path = tmp_path_factory.mktemp("published") / "Agent57_Toy.ckpt"
    torch.save({"iteration": 1, "environment_name": "Toy", "agent_name": "Agent57", **published_state(4, 3)}, path)
    return str(path)


def spec(checkpoint, game="RandomCoin", **options):
    return PolicySpec("agent57", 4, checkpoint, options, action_names=NAMES, game_name=game)


def play(policy, streams, steps, seed=0, native=True):
    """The actions (steps, streams) of a policy at made pictures."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (steps, streams, 20, 14, 3), np.uint8)
    seen = Seen.first(pictures[0], np.arange(streams))
    actions = []
    for shown in pictures:
        seen.frames, seen.native = shown, list(shown) if native else None
        actions.append(policy.act(seen))
        seen.actions, seen.rewards = actions[-1], rng.normal(size=streams).astype(np.float32)
        seen.begun = np.zeros(streams, bool)
    return np.array(actions)


def test_grey_by_hand():
    picture = np.zeros((4, 2, 3), np.uint8)
    picture[:2] = (100, 200, 50)  # 0.299 * 100 + 0.587 * 200 + 0.114 * 50 = 153
    assert grey(picture, 2).tolist() == [[[153, 153], [0, 0]]]  # no padding: the height is squeezed


@pytest.mark.parametrize("which", ["own", "published"])
def test_a_stream_does_not_depend_on_the_others(which, file, ckpt):
    path, game = (file, "RandomCoin") if which == "own" else (ckpt, "Toy")
    one, many = spec(path, game).build(), spec(path, game).build()
    assert one.plays_alone
    assert (play(many, 3, 4)[:, :1] == play(many, 3, 4)[:, :1]).all()  # nothing is left of the episodes before
    rng_same = play(one, 3, 4)
    assert (rng_same == play(many, 3, 4)).all()


def test_members_and_epsilon(file):
    with pytest.raises(UserError, match="member is 9; it must be from 0 to 2"):
        spec(file, member=9).build()
    with pytest.raises(UserError, match=r"options\.epsilon is 2.0; it must be from 0 to 1"):
        spec(file, epsilon=2.0).build()
    random = play(spec(file, epsilon=1.0).build(), 4, 100)
    assert (np.bincount(random.ravel(), minlength=4) > 50).all()


def test_a_file_must_fit_the_game(file, ckpt):
    with pytest.raises(UserError, match="was trained with the actions UP, DOWN, LEFT, RIGHT, and the game has A, B"):
        open_player(file, ("A", "B"))
    with pytest.raises(UserError, match="knows 4 actions and the game has 2"):
        open_player(ckpt, ("A", "B"))
    with pytest.raises(UserError, match="was trained on Toy and the game is Other"):
        open_player(ckpt, NAMES, "Other")
    with pytest.raises(UserError, match=r"needs connector\.agent\.checkpoint_fpath=FILE"):
        spec(None).build()


def test_a_published_player_plays_member_0_with_its_own_random_actions(ckpt):
    player = open_player(ckpt, NAMES, "Toy")
    assert isinstance(player, Player)
    assert player.published
    assert player.member(None) == 0
    policy = spec(ckpt, "Toy").build()
    assert policy._epsilon == published.EPSILON == 0.01
    assert player.acting(1).late


COLLECT = [
    "generate",
    "config=gymnasium",
    'config.connector.games=["genieredux.agent57.tasks:RandomCoin"]',
    "config.connector.variant=agent57",
    "config.connector.generator_config.n_sessions=4",
    "config.connector.generator_config.n_steps_max=6",
    "config.connector.generator_config.n_workers=2",
    "config.connector.image_size=16",
    "config.connector.splits=[{name: test.agent57}]",
]


def test_a_data_set_is_made_with_it(file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [*COLLECT, f"config.connector.agent.checkpoint_fpath={file}", "config.connector.agent.gamma=0.15"]
    assert run([*words, "root=one"]) == 0
    assert run([*words, "root=two", "config.connector.generator_config.n_workers=1"]) == 0
    sets = [Dataset.open(tmp_path / root / "gymnasium_v0.0.0") for root in ("one", "two")]
    for k in range(4):
        assert (sets[0].actions(k) == sets[1].actions(k)).all()
    assert set(sets[0].index["policy"].to_pylist()) == {"agent57"}


def test_a_file_that_is_not_there_is_said_before_anything_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run([*COLLECT, "config.connector.agent.checkpoint_fpath=none.pt", "root=data"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert "no checkpoint at none.pt" in said[-1]
    assert not (tmp_path / "data" / "gymnasium_v0.0.0").exists()


def test_an_agent_that_ships_is_found_by_its_name(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = load_agent(find_agent("coinrun"))
    assert shipped.game == "coinrun"
    assert find_agent("coinrun").stat().st_size < 10 * 2**20
    assert str(find_agent(file)) == file
    (tmp_path / "coinrun").write_bytes(b"a file of the user's own goes first")
    assert str(find_agent("coinrun")) == "coinrun"


def test_the_agent_that_ships_collects_without_a_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [f"config.connector.generator_config.{key}" for key in ("n_steps_max=8", "n_workers=1", "n_sessions=2")]
    splits = "config.connector.splits=[{name: test.agent57, start_level: 200000, n_instances: 2}]"
    assert run(["generate", "config=coinrun/agent57", *words, splits, "root=data"]) == 0
    made = Dataset.open(tmp_path / "data" / "coinrun_v0.0.0_agent57")
    assert made.index["policy"].to_pylist() == ["agent57"] * 2
    assert made.spec.action_names == load_agent(find_agent("coinrun")).action_names
