"""The commands: those of the published README letter for letter, what they leave, and wrong ones in a line."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from genieredux.cli.compose import compose_config, configurations
from genieredux.cli.generate import GenerateCommand
from genieredux.cli.main import run
from genieredux.collect import CollectConfig, collect
from genieredux.episodes import Dataset
from genieredux.explore.config import ExploreConfig, NetworkConfig
from genieredux.explore.network import ActorCritic
from genieredux.explore.policy import find_agent, load
from genieredux.models.checkpoint import save_model
from genieredux.models.world.file import shipped_world
from genieredux.policies import Seen
from published_cases import FIXTURES

SMALL = (
    "config=quickstart/coinrun common.device=cpu common.epochs={epochs} collection.train.config.num_steps=6 "
    "collection.train.config.num_envs=2 collection.test.num_steps=4 collection.test.num_envs=1 "
    "collection.n_workers=1 training.actor_critic.sequence=4 training.actor_critic.burn_in=2 "
    "training.actor_critic.steps_per_epoch=2 training.actor_critic.network.channels=[4,4] training.tensorboard=false "
    "training.actor_critic.network.hidden=8 evaluation.every=1"
)


def command(mode: str, epochs: int, *more: str) -> int:
    return run(["auto_explore", mode, *SMALL.format(epochs=epochs).split(), *more])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def published(mode: str) -> list[str]:
    lines = (FIXTURES / "published_commands.txt").read_text().splitlines()
    return next(shlex.split(line)[4:] for line in lines if f"auto_explore {mode} " in line and "<" not in line)


def test_the_published_lines_mean_what_they_say():
    made = compose_config("auto_explore", ExploreConfig, published("train"))
    assert made.collection.game == "SuperMarioBros-Nes"
    assert made.world_model.path == "checkpoints/genie_redux_guided/genie_redux_guided/model-100000.pt"
    assert made.common.root_dpath == "checkpoints/auto_explore"
    play, learning = made.collection.train.config, made.training.actor_critic
    assert (play.num_steps, play.num_envs, play.n_preds, play.temperature) == (200, 8, 3, 1.0)
    assert (play.chance(1), play.chance(200)) == (0.1, pytest.approx(0.01))
    assert (learning.steps_per_epoch, learning.burn_in, made.evaluation.every) == (200, 20, 20)
    looked = compose_config("auto_explore", ExploreConfig, published("eval"))
    assert (looked.common.resume_id, looked.common.resume_ckpt_id) == (1, "model_best_reward")


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_the_published_lines_say_what_is_missing(here, capsys, mode):
    assert run(["auto_explore", mode, *published(mode)]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "no world checkpoints/genie_redux_guided" in said or "no run in checkpoints/auto_explore" in said
    assert list(here.iterdir()) == []


def test_other_spellings_and_every_key_of_the_seed():
    keys = {
        "common.name": "x", "common.epochs": 3, "common.seed": 2, "collection.train.config.episilon": 0.3,
        "collection.train.config.n_preds": 2, "training.actor_critic.start_after": 5,
        "training.actor_critic.batch_size": 7, "evaluation.every": 9, "collection.train.config.num_steps": 99,
    }  # fmt: skip
    made = compose_config("auto_explore", ExploreConfig, [f"{key}={value}" for key, value in keys.items()])
    assert made.collection.train.config.epsilon == 0.3
    assert (made.training.actor_critic.start_after, made.training.actor_critic.batch_size) == (5, 7)


@pytest.mark.parametrize("name", configurations("auto_explore"))
def test_every_configuration_is_whole(name):
    made = compose_config("auto_explore", ExploreConfig, [f"config={name}"])
    assert made.collection.games or name == "papers"


def test_train_then_eval_then_generate(here, capsys):
    assert command("train", 1) == 0
    folder = here / "checkpoints/auto_explore/001_auto_explore"
    assert {"config.yaml", "log.jsonl", "environment.json"} <= {path.name for path in folder.iterdir()}
    best = folder / "checkpoints/model_best_reward.pt"
    assert best.is_file()
    assert command("train", 2, "common.resume_id=1") == 0
    assert (folder / "checkpoints/model-2.pt").is_file()
    assert command("train", 1) == 0
    assert (here / "checkpoints/auto_explore/002_auto_explore").is_dir()
    capsys.readouterr()
    assert command("eval", 2, "common.resume_id=1", "common.resume_ckpt_id=model_best_reward") == 0
    assert "furthest_x" in capsys.readouterr().out
    found = json.loads((folder / "outputs/evaluation.json").read_text())
    assert len(found["episodes"]) == 2
    assert len(list((folder / "outputs/gifs").glob("model_best_reward-*.gif"))) == 2
    page = (folder / "outputs/page.html").read_text()
    assert found["rewarded_for"] == "unseen"
    assert "An agent rewarded for unseen; 2 episodes." in page
    assert page.count("<figure><img") == 2
    assert "map of the tiles that were visited" in page
    assert "what the episode had not shown before" in page
    assert "reward a step, in training" in page
    words = f"config=coinrun/auto_explore root=data config.connector.agent.checkpoint_fpath={best}"
    amounts = "config.connector.generator_config.n_sessions=2 config.connector.generator_config.n_steps_max=5 "
    amounts += "config.connector.generator_config.n_workers=1"
    assert run(["generate", *words.split(), *amounts.split()]) == 0
    assert set(Dataset.open("data/coinrun_v0.0.0_auto_explore").index["policy"].to_pylist()) == {"auto_explore"}


def test_the_agent_that_ships_plays_at_once_and_runs_to_the_right(here):
    assert find_agent("coinrun").stat().st_size < 3_000_000
    words = "config=coinrun/auto_explore root=data config.connector.generator_config.n_sessions=8"
    amounts = "config.connector.generator_config.n_steps_max=128 config.connector.generator_config.n_workers=1"
    assert run(["generate", *words.split(), *amounts.split()]) == 0
    data = Dataset.open("data/coinrun_v0.0.0_auto_explore")
    assert set(data.index["policy"].to_pylist()) == {"auto_explore"}
    actions = [action for i in range(len(data.lengths)) for action in data.actions(i).tolist()]
    rightward = [data.spec.action_names.index(name) for name in ("RIGHT", "RIGHT_UP")]
    assert np.isin(actions, rightward).mean() > 0.5


def agent(path: Path, names=("RIGHT", "LEFT", "DOWN", "UP", "RIGHT_UP"), size: int = 64) -> Path:
    torch.manual_seed(0)
    config = NetworkConfig(channels=(4, 4), hidden=8)
    net = ActorCritic(config, size, len(names))
    with torch.no_grad():
        net.actor.bias.copy_(torch.arange(len(names)).float())
    said = {"network": {"channels": [4, 4], "hidden": 8}, "image_size": size, "action_names": list(names)}
    return save_model(path, "auto_explore", said, net.state_dict())


@pytest.mark.parametrize("name", ["retro_act/auto_explore_smb", "retro_act/auto_explore_ai2"])
def test_the_published_data_commands(here, name):
    key = "config.connector.agent.checkpoint_fpath"
    made = compose_config("generate", GenerateCommand, [f"config={name}", f"{key}={agent(here / 'a.pt')}"])
    connector = made.config.connector
    assert (connector.agent.gamma, connector.agent.temperature) == (0.15, 1.0)
    assert connector.generator_config.n_sessions == 10_000
    assert connector.dataset_name == "retro_act_v0.0.0_" + name.partition("/")[2]
    assert run(["generate", f"config={name}"]) == 2


def test_gamma_and_temperature_change_what_is_played(here):
    path = agent(here / "agent.pt")
    shares = {}
    for name, temperature, gamma in (("cold", 0.0, 0.0), ("warm", 1.0, 0.0), ("hot", 50.0, 0.0), ("random", 0.0, 0.9)):
        words = [
            "config=coinrun/auto_explore", f"config.connector.agent.checkpoint_fpath={path}",
            f"config.connector.agent.temperature={temperature}", f"config.connector.agent.gamma={gamma}",
            f"config.connector.dname={name}", "config.connector.generator_config.n_sessions=2",
            "config.connector.generator_config.n_steps_max=60", "config.connector.generator_config.n_workers=1",
        ]  # fmt: skip
        connector = compose_config("generate", GenerateCommand, words).config.connector
        data = Dataset.open(str(collect(CollectConfig(connector, str(here), 0)).path))
        actions = [action for i in range(len(data.lengths)) for action in data.actions(i).tolist()]
        shares[name] = sum(action == 4 for action in actions) / len(actions)
    assert shares["cold"] == 1.0
    assert shares["warm"] > shares["hot"] + 0.1
    assert 0.1 < shares["random"] < 0.5


def test_the_agent_plays_alone_what_it_plays_beside_others(here):
    path, rng = agent(here / "agent.pt"), torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (6, 3, 64, 64, 3), dtype=torch.uint8, generator=rng).numpy()
    both, one = load(5, str(path)), load(5, str(path))
    seen = Seen.first(frames[0], torch.tensor([5, 6, 7]).numpy())
    alone = Seen.first(frames[0][1:2], torch.tensor([6]).numpy())
    for step in range(6):
        seen.frames, alone.frames = frames[step], frames[step][1:2]
        actions, single = both.act(seen), one.act(alone)
        assert actions[1] == single[0]
        seen.actions, alone.actions = actions, single
        seen.begun = alone.begun = torch.zeros(3, dtype=torch.bool).numpy()
        alone.begun = alone.begun[:1]


WRONG = {
    "an unknown game": ("collection.games=[coinrum]", r"Procgen game is 'coinrum'; did you mean coinrun"),
    "two games": ("collection.games=[coinrun,ninja]", r"collection.games names 2 games"),
    "an unknown reward": ("reward.kind=entropi", r"reward.kind is 'entropi'; did you mean entropy"),
    "no world": ("world_model.model_fpath=nowhere.pt", r"there is no world nowhere.pt"),
    "no world named": ("world_model.model_fpath=null", r"no world is named: set world_model.model_fpath"),
    "another size": ("collection.image_size=32", r"image_size is 32, but the world .* has frames of 64"),
    "other actions": ("collection.action_names=[LEFT]", r"action_names is \['LEFT'\], but the world"),
    "no such run": ("common.resume_id=4", r"no run in checkpoints/auto_explore"),
    "a misspelt key": ("reward.kinds=rnd", r"did you mean 'reward.kind'"),
    "a long segment": ("training.actor_critic.sequence=900", r"sequence is 900; it must be at most num_steps"),
    "more play than memory": (
        "collection.train.config.num_steps=1000000 collection.train.config.num_envs=4096",
        r"1000000 steps of 4096 environments need .* GiB of memory, .* are free; set .*num_steps=\d+ or less",
    ),
    "a reward that the world cannot give": (
        "reward.kind=round_trip",
        r"reward.kind=round_trip: tokens of this world say only how the picture moved",
    ),
    "levels beyond the last": (
        "collection.num_levels=99999999999",
        r"num_levels is 99999999999; it must be from 0 to 2147483646",
    ),
    "no GPU": ("common.device=gpu", r"common.device is 'gpu'"),
    "no positions": (
        "collection.games=[maze]",
        r"options.positions: the game is 'maze'; did you mean|actions|has no action",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_words_are_one_line_and_leave_nothing(here, capsys, name):
    if name == "no GPU" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    words, message = WRONG[name]
    assert run(["auto_explore", "train", "config=quickstart/coinrun", *words.split()]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert re.search(message, lines[-1]), lines
    assert list(here.iterdir()) == []


def test_an_agent_of_another_image_size_is_refused_when_it_is_opened(here, capsys):
    words = ["config=coinrun/auto_explore", f"config.connector.agent.checkpoint_fpath={agent(here / 'a.pt', size=32)}"]
    assert run(["generate", *words, "root=data"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].endswith("the agent sees frames of 32x32, the game shows 64x64; set connector.image_size=32"), (
        lines
    )
    assert not (here / "data").exists()


def test_files_of_another_kind_are_refused(here, capsys):
    assert command("train", 1) == 0
    assert command("eval", 1, "common.resume_id=3") == 2
    assert "there are: 1 (001_auto_explore)" in capsys.readouterr().err
    assert command("eval", 1, "common.resume_ckpt_id=model_bst") == 2
    assert "did you mean model_best_reward? (there are: model-1, model_best_reward)" in capsys.readouterr().err
    for checkpoint, message in (
        (shipped_world(), "but a 'auto_explore' is needed here"),
        (agent(here / "other.pt", ("A", "B")), "was trained with the actions A, B; the game now has"),
        (agent(here / "small.pt", size=32), "the agent sees frames of 32x32"),
        (here / "nowhere.pt", "nowhere.pt"),
    ):
        words = (
            f"config=coinrun/auto_explore root={checkpoint.stem} config.connector.agent.checkpoint_fpath={checkpoint}"
        )
        assert run(["generate", *words.split(), "config.connector.generator_config.n_sessions=1"]) == 2
        assert message in capsys.readouterr().err
        assert not (Path(checkpoint.stem) / "coinrun_v0.0.0_auto_explore").exists()
