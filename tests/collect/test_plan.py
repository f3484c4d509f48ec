"""Plans and configurations: what is played is decided before anything is played."""

from itertools import islice

import pytest

from genieredux.collect import AgentConfig, CollectConfig, ConnectorConfig, GeneratorConfig, SplitConfig, collect
from genieredux.collect.plan import amount, check_amount, plan_groups
from genieredux.envs import GameFacts
from genieredux.errors import UserError

FACTS = {
    "coinrun": GameFacts("coinrun", "Procgen", ("A", "B")),
    "maze": GameFacts("maze", "Procgen", ("A", "B")),
}


def config(seed=0, **values):
    return CollectConfig(ConnectorConfig(kind="procgen", games=tuple(FACTS), **values), seed=seed)


def test_levels_are_all_played_once_before_any_again():
    splits = (SplitConfig("train", start_level=50, n_instances=10, n_sessions=30),)
    group = plan_groups(config(splits=splits), FACTS)[0]
    levels = [planned.start.instance for planned in group.episodes()]
    assert len(levels) == 30
    for k in range(3):
        assert sorted(levels[10 * k : 10 * k + 10]) == list(range(50, 60))
    assert levels[:10] != list(range(50, 60))


def test_ids_and_seeds_are_distinct_over_everything():
    splits = (SplitConfig("train"), SplitConfig("train", "held"), SplitConfig("test", start_level=500))
    groups = plan_groups(config(splits=splits), FACTS)
    assert len(groups) == 6
    planned = [episode for group in groups for episode in group.episodes()]
    assert len({episode.id for episode in planned}) == len(planned) == 120
    assert len({episode.start.seed for episode in planned}) == len(planned)
    assert all(0 <= episode.start.seed < 2**62 for episode in planned)


def test_an_episode_is_a_function_of_seed_split_game_and_number():
    one, more = (SplitConfig("train"),), (SplitConfig("other"), SplitConfig("train", n_sessions=50))
    alone = list(plan_groups(config(splits=one), {"maze": FACTS["maze"]})[0].episodes())
    among = list(plan_groups(config(splits=more), FACTS)[3].episodes())
    assert alone == among[: len(alone)]
    other = list(plan_groups(config(seed=1, splits=one), {"maze": FACTS["maze"]})[0].episodes())
    assert not {e.start.seed for e in alone} & {e.start.seed for e in other}
    assert not {e.id for e in alone} & {e.id for e in other}


def test_an_amount_in_frames_has_no_end_of_its_own():
    group = plan_groups(config(splits=(SplitConfig("train", n_instances=2, n_frames=10),)), FACTS)[0]
    assert len(list(islice(group.episodes(), 1000))) == 1000


def test_an_amount_in_frames_and_one_in_sessions_are_refused_together():
    with pytest.raises(UserError, match="'train': n_frames=10 stands instead of n_sessions=3; leave one out"):
        SplitConfig("train", n_sessions=3, n_frames=10)


def test_data_set_names():
    assert config().connector.dataset_name == "retro_act_v0.0.0"
    assert config(name="coinrun", version="1.2.0", dname="g50").connector.dataset_name == "coinrun_v1.2.0_g50"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"games": ()}, "name at least one game"),
        ({"games": ("maze", "maze")}, "twice"),
        ({"splits": ()}, "at least one split"),
        ({"splits": (SplitConfig("a"), SplitConfig("a"))}, "two entries"),
        ({"variant": "heldd"}, "did you mean held"),
        ({"splits": (SplitConfig("a", "randm"),)}, "did you mean random"),
        ({"agent": AgentConfig(checkpoint_fpath="x.pt")}, "checkpoint_fpath"),
    ],
)
def test_bad_connectors_are_refused(values, message):
    with pytest.raises(UserError, match=message):
        ConnectorConfig(**{"games": ("maze",), **values})


@pytest.mark.parametrize("name", ["n_instances", "n_sessions", "n_steps_max", "n_workers"])
def test_zero_of_anything_is_refused(name):
    with pytest.raises(UserError, match=f"{name} is 0; it must be 1 or more"):
        GeneratorConfig(**{name: 0})
    if name in ("n_instances", "n_sessions"):
        with pytest.raises(UserError, match=f"{name} is 0; it must be 1 or more"):
            SplitConfig(**{name: 0})


def amounts(splits, **general):
    """Levels and episodes (None: frames) of each group of one game."""
    cfg = config(splits=splits, generator_config=GeneratorConfig(**general))
    return [(group.num_levels, group.num_episodes) for group in plan_groups(cfg, {"maze": FACTS["maze"]})]


TWO = (SplitConfig("train", n_instances=10_000), SplitConfig("test", n_instances=64))
SHARES = (SplitConfig("train", share=0.9), SplitConfig("test", share=0.1))
FRAMES = (SplitConfig("train", n_instances=2000, n_frames=55_000), SplitConfig("test", n_sessions=4))


@pytest.mark.parametrize(
    ("splits", "general", "expected"),
    [
        (TWO, {}, [(10_000, 10_000), (64, 64)]),
        (TWO, {"n_sessions": 60}, [(10_000, 60), (64, 60)]),
        (TWO, {"n_instances": 50}, [(50, 50), (50, 50)]),
        (TWO, {"n_instances": 50, "n_sessions": 100}, [(50, 100), (50, 100)]),
        ((SplitConfig(),), {}, [(1, 20)]),
        ((SplitConfig(),), {"n_instances": 10_000}, [(10_000, 10_000)]),
        ((SplitConfig(),), {"n_instances": 10_000, "n_sessions": 60}, [(10_000, 60)]),
        (SHARES, {}, [(1, 18), (1, 2)]),
        (SHARES, {"n_instances": 1, "n_sessions": 100}, [(1, 90), (1, 10)]),
        (FRAMES, {}, [(2000, None), (1, 4)]),
        (FRAMES, {"n_sessions": 60}, [(2000, 60), (1, 4)]),
        (FRAMES, {"n_sessions": 3}, [(2000, 3), (1, 3)]),
        (FRAMES, {"n_instances": 7}, [(7, None), (7, 4)]),
    ],
)
def test_an_amount_means_one_thing_in_every_split(splits, general, expected):
    assert amounts(splits, **general) == expected


def test_what_a_plan_comes_to_is_said_before_it_is_played():
    cfg = config(splits=TWO, generator_config=GeneratorConfig(n_steps_max=499))
    groups = plan_groups(cfg, {"maze": FACTS["maze"]})
    planned = amount(groups, 64)
    assert (planned.games, planned.episodes, planned.frames) == (1, 10_064, 10_064 * 500)
    assert str(planned) == "1 game, 10,064 episodes, at most 5,032,000 frames, about 6.8 GB"
    assert check_amount(groups, 64, 10) == planned
    with pytest.raises(UserError, match=r"about 6.8 GB: more than collect.max_gb=5, .* say collect.max_gb=7"):
        check_amount(groups, 64, 5)
    by_frames = plan_groups(config(splits=FRAMES[:1]), {"maze": FACTS["maze"]})
    assert amount(by_frames, 64).frames == 55_000 + 501


def test_a_plan_that_is_too_much_writes_nothing(tmp_path):
    connector = ConnectorConfig(kind="fake", games=("Fake",), generator_config=GeneratorConfig(n_sessions=10**7))
    with pytest.raises(UserError, match="10,000,000 episodes"):
        collect(CollectConfig(connector, root=str(tmp_path / "data")))
    assert not (tmp_path / "data").exists()
