"""Every packaged `generate` configuration: what it means, where it writes, and the published command lines."""

import shlex
from dataclasses import replace

import pytest

from genieredux.cli.compose import compose_config, configurations
from genieredux.cli.generate import GenerateCommand
from genieredux.collect import CollectConfig, GeneratorConfig, SplitConfig
from genieredux.collect.games import configured_games
from genieredux.collect.plan import check_amount, plan_groups
from genieredux.envs import GameFacts
from genieredux.errors import UserError
from genieredux.policies import VARIANTS
from published_cases import FIXTURES

DATASETS = {
    "atari/agent57": "atari_v0.0.0_agent57",
    "atari/ale": "atari_v0.0.0",
    "atari/ale_full": "atari_v0.0.0_full",
    "atari/retro": "retro_act_v0.0.0_atari",
    "coinrun/agent57": "coinrun_v0.0.0_agent57",
    "coinrun/easy": "coinrun_v2.1.0",
    "coinrun/easy_test": "coinrun_v2.1.0_test",
    "coinrun/hard": "coinrun_v2.0.0",
    "coinrun/test": "coinrun_v2.0.0_test",
    "gymnasium": "gymnasium_v0.0.0",
    "procgen/climber": "procgen_v0.0.0_climber",
    "procgen/jumper": "procgen_v0.0.0_jumper",
    "procgen/ninja": "procgen_v0.0.0_ninja",
    "quickstart/airstriker": "retro_act_v0.0.0_airstriker",
    "quickstart/jumper": "jumper_v0.0.0",
    "quickstart/coinrun": "coinrun_v0.0.0",
    "retro_act/agent57_ai2": "retro_act_v0.0.0_agent57_ai2",
    "retro_act/agent57_smb": "retro_act_v0.0.0_agent57_smb",
    "retro_act/control": "retro_act_v0.0.0_g50",
    "retro_act/control_test": "retro_act_v0.0.0_g50_test",
    "retro_act/g200": "retro_act_v0.0.0_g200",
    "retro_act/pretrain": "retro_act_v0.0.0",
}
PUBLISHED = {  # games, sessions a game
    "retro_act/pretrain": (483, 20),
    "retro_act/control": (50, 100),
    "retro_act/control_test": (50, 20),
    "retro_act/g200": (200, 50),
}


def connector(*words):
    return compose_config("generate", GenerateCommand, words).config.connector


def facts(game):
    return {game: GameFacts(game, "Toy", ("A", "B"))}


@pytest.mark.parametrize("name", DATASETS)
def test_each_writes_the_data_set_that_training_looks_for(name):
    made = connector(f"config={name}")
    assert made.dataset_name == DATASETS[name]
    assert name in configurations("generate")
    for game in made.games:
        made.env(game)
    assert made.image_size == 64
    games = {
        game: GameFacts(game, "Toy", ("A", "B"))
        for game in made.games or [f"g{k}" for k in range(PUBLISHED.get(name, (104,))[0])]
    }
    cfg = CollectConfig(made)
    check_amount(plan_groups(cfg, games), made.image_size, cfg.max_gb)  # no packaged configuration is refused


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("ending", ["", ".json", ".yaml"])
def test_the_published_configurations_have_the_published_values(name, ending):
    made = connector(f"config={name}{ending}")
    games, sessions = PUBLISHED[name]
    assert len(configured_games(made)) == games
    amounts = made.generator_config
    assert (amounts.n_instances, amounts.n_sessions, amounts.n_steps_max) == (1, sessions, 500)
    assert (made.n_skip_frames, made.n_skip_start_frames, made.image_size) == (4, 0, 64)
    assert made.action_names == ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP")
    assert made.variant == "random"
    groups = plan_groups(CollectConfig(made), facts("g"))
    assert sum(group.num_episodes for group in groups) == sessions


@pytest.mark.parametrize(
    ("name", "start", "levels", "mode"),
    [
        ("coinrun/hard", 0, 10_000, "hard"),
        ("coinrun/test", 1_000_000, 1_000, "hard"),
        ("coinrun/easy", 0, 10_000, "easy"),
        ("coinrun/easy_test", 1_000_000, 1_000, "easy"),
    ],
)
def test_coinruns_levels_are_instances_and_its_test_levels_are_others(name, start, levels, mode):
    made = connector(f"config={name}")
    assert made.distribution_mode == mode
    assert made.action_names == ("NOOP", "RIGHT", "LEFT", "UP", "RIGHT_UP", "LEFT_UP", "DOWN")
    (group,) = plan_groups(CollectConfig(made), facts("coinrun"))
    played = {episode.start.instance for episode in group.episodes()}
    assert played == set(range(start, start + levels))
    assert group.num_episodes == levels


def test_sessions_are_episodes_and_levels_are_played_in_turn():
    words = ["config=coinrun/hard", "config.connector.generator_config.n_instances=3"]
    made = connector(*words, "config.connector.generator_config.n_sessions=6")
    (group,) = plan_groups(CollectConfig(made), facts("coinrun"))
    levels = [episode.start.instance for episode in group.episodes()]
    assert sorted(levels) == [0, 0, 1, 1, 2, 2]
    assert len({episode.start.seed for episode in group.episodes()}) == 6


@pytest.mark.parametrize(("sessions", "parts"), [(100, (90, 9, 1)), (20, (18, 1, 1)), (50, (45, 4, 1)), (4, (3, 0, 1))])
def test_shares_divide_the_sessions_as_published(sessions, parts):
    made = connector("config=retro_act/pretrain", f"config.connector.generator_config.n_sessions={sessions}")
    assert tuple(map(made.sessions, made.splits)) == parts
    groups = plan_groups(CollectConfig(made), facts("g"))
    assert [group.num_episodes for group in groups] == [part for part in parts if part]


def test_shares_that_are_too_much_or_doubled_are_refused():
    made = connector("config=retro_act/pretrain")
    with pytest.raises(UserError, match="more than 1 together"):
        replace(made, splits=(SplitConfig("train", share=0.9), SplitConfig("test", share=0.2)))
    for values in ({"share": 0.0}, {"share": 1.5}, {"share": 0.5, "n_sessions": 3}, {"share": 0.5, "n_frames": 3}):
        with pytest.raises(UserError, match="share is above 0"):
            SplitConfig("train", **values)
    assert (
        replace(made, splits=(SplitConfig("a"),), generator_config=GeneratorConfig(n_sessions=7)).sessions(
            SplitConfig("a")
        )
        == 7
    )


SEED_COMMANDS = """
python run.py generate config=retro_act/pretrain
python run.py generate config=retro_act/control
python run.py generate config=retro_act/control_test
python run.py generate config=retro_act/agent57_smb
"""


def test_the_published_commands_parse_letter_for_letter():
    written = (FIXTURES / "published_commands.txt").read_text().splitlines()
    for line in SEED_COMMANDS.strip().splitlines():
        assert line in written
        program, script, verb, *words = shlex.split(line)
        assert (program, script, verb) == ("python", "run.py", "generate")
        connector(*words)


def test_every_parameter_of_the_published_readme_is_understood():
    key = "config.connector"
    made = connector(
        "config=retro_act/pretrain.json",
        f"{key}.image_size=[64,64]",
        f"{key}.generator_config.n_sessions=3",
        f"{key}.generator_config.n_steps_max=40",
        f"{key}.generator_config.n_workers=2",
        f"{key}.variant=random",
        f"{key}.agent.gamma=0.15",
        f"{key}.agent.temperature=1.0",
        f"{key}.n_skip_frames=2",
        f"{key}.n_skip_start_frames=5",
        f"{key}.view=[side]",
        f"{key}.genre=[pl,action]",
        f"{key}.motion=null",
        f"{key}.platform=[Nes]",
        f"{key}.valid_action_combos=[RIGHT,LEFT]",
        f"{key}.game=all",
    )
    assert made.image_size == 64
    assert made.generator_config == GeneratorConfig(1, 3, 40, 2)
    assert (made.agent.gamma, made.agent.temperature) == (0.15, 1.0)
    assert made.env("SuperMarioBros-Nes").start_frames == 5
    assert made.action_names == ("RIGHT", "LEFT")
    assert {game.rsplit("-", 1)[1] for game in configured_games(made)} == {"Nes"}


@pytest.mark.parametrize("variant", ["auto_explore", "agent57"])
def test_players_that_do_not_exist_yet_are_refused_in_one_line(variant):
    if variant in VARIANTS:
        pytest.skip("this player exists")
    with pytest.raises(UserError, match=f"'{variant}' plays a trained agent"):
        connector("config=retro_act/pretrain", f"config.connector.variant={variant}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["config=retro_act/pretrian"], "nearest: retro_act/pretrain"),
        (["config=coinrun/hrad"], "nearest: coinrun/hard"),
        (["config.connector.image_size=[64,32]"], "image_size is .*such as 64"),
        (["config.connector.image_size=0"], "image_size is 0"),
        (["config.connector.agent.gamma=1.5"], "gamma is 1.5; it must be from 0 to 1"),
        (["config.connector.agent.temperature=-1"], "temperature is -1.0; it must be 0 or more"),
        (["config.connector.genres=[pl]"], "did you mean 'config.connector.genre'"),
        (["config.connector.variant=randm"], "did you mean random"),
    ],
)
def test_a_mistake_is_named_with_the_nearest_valid_choice(words, message):
    with pytest.raises(UserError, match=message):
        connector("config=quickstart/coinrun", *words) if not words[0].startswith("config=") else connector(*words)


def test_start_frames_are_for_consoles_only():
    with pytest.raises(UserError, match="n_skip_start_frames is 3; it must be 0 but for kind retro"):
        connector("config=quickstart/coinrun", "config.connector.n_skip_start_frames=3").env("coinrun")
