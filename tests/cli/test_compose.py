"""Words on the command line become typed configurations, or one line that says what is wrong."""

from pathlib import Path

import pytest

from genieredux.cli.compose import compose_config, configurations
from genieredux.cli.generate import GenerateCommand
from genieredux.cli.play import PlayCommand
from genieredux.cli.schemas import GenieReduxCommand
from genieredux.demo import DemoConfig
from genieredux.errors import UserError

SCHEMAS = {"generate": GenerateCommand, "genie_redux": GenieReduxCommand, "demo": DemoConfig}


@pytest.mark.parametrize(("verb", "schema"), SCHEMAS.items())
def test_every_packaged_configuration_composes(verb: str, schema: type) -> None:
    names = configurations(verb)
    assert names
    for name in names:
        trained = name.rpartition("/")[2].startswith(("auto_explore", "agent57"))
        agent = ["config.connector.agent.checkpoint_fpath=agent.pt"] if trained else []
        assert isinstance(compose_config(verb, schema, [f"config={name}", *agent]), schema)


def test_the_published_words_work() -> None:
    words = ["config=tokenizer.yaml", "train.num_processes=6", "train.batch_size=7", "train.grad_accum=2"]
    command = compose_config("genie_redux", GenieReduxCommand, words)
    assert (command.train.num_processes, command.train.batch_size, command.train.grad_accum) == (6, 7, 2)
    words = ["config=quickstart/airstriker", "config.connector.generator_config.n_sessions=3"]
    connector = compose_config("generate", GenerateCommand, words).config.connector
    assert connector.generator_config.n_sessions == 3
    assert connector.games == ("Airstriker-Genesis",)
    words = ["config.connector.games=[starpilot]", "--config.connector.image_size=32"]
    connector = compose_config("generate", GenerateCommand, words).config.connector
    assert connector.games == ("starpilot",)
    assert connector.image_size == 32


def test_the_demo_is_made_of_the_quickstart_parts() -> None:
    demo = compose_config("demo", DemoConfig, [])
    generate = compose_config("generate", GenerateCommand, ["config=quickstart/coinrun"])
    dynamics = compose_config("genie_redux", GenieReduxCommand, ["config=quickstart/canvas"])
    assert demo.connector == generate.config.connector
    assert demo.dynamics.optimizer.learning_rate == dynamics.optimizer.learning_rate
    assert demo.dynamics.dynamics == dynamics.dynamics


def test_a_folder_of_ones_own_configurations_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "configs" / "generate" / "config" / "mine"
    folder.mkdir(parents=True)
    (folder / "game.yaml").write_text("connector:\n  kind: fake\n  name: mine\n  games: [toy]\n")
    monkeypatch.chdir(tmp_path)
    command = compose_config("generate", GenerateCommand, ["config=mine/game", "seed=4"])
    assert command.config.connector.dataset_name == "mine_v0.0.0"
    assert command.seed == 4


@pytest.mark.parametrize(
    ("verb", "words", "message"),
    [
        (
            "generate",
            ["config=quickstart/airstrike"],
            r"no configuration 'quickstart/airstrike' .*quickstart/airstriker",
        ),
        ("genie_redux", ["train.batchsize=3"], r"no key 'train.batchsize'; did you mean 'train.batch_size'"),
        (
            "genie_redux",
            ["num_train_steps=3"],
            r"no key 'num_train_steps'; did you mean 'train.num_train_steps'",
        ),
        ("genie_redux", ["train.batch_size=many"], r"train.batch_size is 'many'; it must be a whole number"),
        ("genie_redux", ["train.batch_size=0"], r"train.batch_size is 0; it must be from 1 to 65536"),
        ("genie_redux", ["train.batch_size"], r"cannot read 'train.batch_size'; write key=value"),
        ("genie_redux", ["train=3"], r"train is 3|configuration"),
        ("generate", ["config.connector.games=toy"], r"config.connector.games is 'toy'; it must be a list"),
        ("demo", ["sead=1"], r"no key 'sead'; did you mean 'seed'"),
    ],
)
def test_what_is_wrong_is_named(verb: str, words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        compose_config(verb, SCHEMAS[verb], words)


def test_numbers_may_be_written_as_people_write_them() -> None:
    command = compose_config("genie_redux", GenieReduxCommand, ["optimizer.learning_rate=1e-4"])
    assert command.optimizer.learning_rate == 1e-4
    assert compose_config("play", PlayCommand, ["fps=10"]).fps == 10.0
