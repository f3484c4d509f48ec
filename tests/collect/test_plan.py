"""Plans and configurations: what is played is decided before anything is played."""

from itertools import islice

import pytest

from genieredux.collect import AgentConfig, CollectConfig, ConnectorConfig, GeneratorConfig, SplitConfig
from genieredux.collect.plan import plan_groups
from genieredux.envs import GameFacts
from genieredux.errors import UserError

FACTS = {
    "coinrun": GameFacts("coinrun", "Procgen", ("A", "B")),
    "maze": GameFacts("maze", "Procgen", ("A", "B")),
}


def config(seed=0, **values):
    return CollectConfig(ConnectorConfig(kind="procgen", games=tuple(FACTS), **values), seed=seed)


def test_levels_are_all_played_once_before_any_again():
    splits = (SplitConfig("train", start_level=50, n_instances=10, n_sessions=3),)
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
        ({"variant": "heldd"}, "nearest: 'held'"),
        ({"splits": (SplitConfig("a", "randm"),)}, "nearest: 'random'"),
        ({"agent": AgentConfig(checkpoint_fpath="x.pt")}, "checkpoint_fpath"),
    ],
)
def test_bad_connectors_are_refused(values, message):
    with pytest.raises(UserError, match=message):
        ConnectorConfig(**{"games": ("maze",), **values})


@pytest.mark.parametrize("name", ["n_instances", "n_sessions", "n_steps_max", "n_workers"])
def test_zero_of_anything_is_refused(name):
    with pytest.raises(UserError, match=f"{name} must be at least 1"):
        GeneratorConfig(**{name: 0})
    if name in ("n_instances", "n_sessions"):
        with pytest.raises(UserError, match=f"{name} must be at least 1"):
            SplitConfig(**{name: 0})
