"""Quality notes on data sets in which every measure is known by construction."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from episodes.quality.walks import NAMES, SIDE, episode, walk
from genieredux.episodes import quality
from genieredux.episodes.quality import GOOD, LOOK, POOR, THRESHOLDS, Budget
from genieredux.errors import UserError
from published_cases import FIXTURES


def codes(note):
    return {finding.code: finding.level for finding in note.findings}


def test_a_lively_game_is_good(written):
    note = quality.note(written([episode(*walk(300, k)) for k in range(4)]), "Walk")
    assert note.level == GOOD
    assert note.text == ""
    assert note.measures.idle == note.measures.longest_still == note.measures.shared == 0
    assert note.measures.distinct == 1
    assert note.measures.alike == (("STAY", "DEAD"),)
    assert codes(note) == {"same_actions": GOOD, "unrewarded": GOOD}


def test_a_game_that_often_stands_still_deserves_a_look(written):
    note = quality.note(written([episode(*walk(300, 0, clock=False))]), "Walk")
    assert note.measures.idle == pytest.approx(0.5, abs=0.1)  # two of four actions move nothing
    assert codes(note)["idle"] == LOOK
    assert note.measures.distinct < 0.1  # the square has 28 places
    assert codes(note)["distinct"] == POOR


def test_small_changes_deserve_a_look(written):
    frames = np.full((60, SIDE, SIDE, 3), 90, np.uint8)
    frames[:, 0, 0] = np.arange(60)[:, None]  # one of 1,024 pixels changes by 1
    frames[:, 5, 5] = 0
    note = quality.note(written([episode(frames, walk(60, 0)[1])]), "Walk")
    assert note.measures.median_change == note.measures.change == 1 / 1024
    assert note.measures.moving_pixels == 1 / 1024
    assert codes(note)["small_change"] == LOOK
    assert note.measures.distinct == 1


def test_a_frozen_game_is_poor(written):
    frames, actions = walk(120, 0)
    frames[:] = frames[:1]
    note = quality.note(written([episode(frames, actions)]), "Walk")
    assert codes(note)["frozen"] == note.level == POOR
    assert note.measures.idle == 1
    assert note.measures.longest_still == 119
    assert note.measures.distinct == 1 / 120
    assert note.measures.moving_pixels == 0
    assert "idle" not in codes(note), "said once"


def test_a_black_game_is_poor_and_its_rom_doubtful(written):
    frames, actions = walk(60, 0)
    note = quality.note(written([episode(np.zeros_like(frames), actions)]), "Walk")
    assert codes(note)["blank"] == note.level == POOR
    assert "black" in note.text
    assert "retroact verify" in note.text
    assert note.measures.black == 1


def test_some_blank_frames_deserve_a_look(written):
    frames, actions = walk(100, 0)
    frames[40:50] = 200
    note = quality.note(written([episode(frames, actions)]), "Walk")
    assert codes(note)["blank"] == LOOK
    assert (note.measures.blank, note.measures.black) == (0.1, 0)
    assert note.text.startswith("10 % of the frames are blank")


def test_a_still_stretch_is_found_across_blocks(written):
    frames, actions = walk(200, 0)
    frames[90:140] = frames[90]
    note = quality.note(written([episode(frames, actions)]), "Walk")
    assert note.measures.longest_still == 49
    assert "50 equal frames in a row" in note.text
    assert note.measures.idle == 49 / 199


def test_a_dead_action_is_named(written):
    note = quality.note(written([episode(*walk(300, 0, clock=False))]), "Walk")
    change = note.measures.action_change
    assert change["STAY"] == change["DEAD"] == 0
    assert change["RIGHT"] > 0
    assert change["LEFT"] > 0
    assert codes(note)["dead_action"] == LOOK
    assert "without any visible effect: STAY, DEAD" in note.text


def test_actions_without_a_trace(written):
    """The square walks by itself; what is pressed does not matter."""
    rng = np.random.default_rng(99)
    episodes = []
    for seed in range(5):
        frames, _ = walk(500, seed)
        episodes.append(episode(frames, rng.integers(0, 4, 499)))
    note = quality.note(written(episodes), "Walk", Budget(4096, seed=3))
    assert note.measures.alike == (NAMES,)
    assert codes(note)["traceless"] == LOOK


def test_a_rare_action_is_named(written):
    frames, actions = walk(300, 0)
    actions[actions == 2] = 1
    note = quality.note(written([episode(frames, actions)]), "Walk")
    assert "hardly ever or never taken: LEFT" in note.text
    assert note.measures.actions["LEFT"] == 0


def test_twins_are_found_from_the_index_and_from_frames(written):
    one = walk(100, 0)
    data = written([episode(*one, seed=0), episode(*one, seed=1), episode(*walk(100, 1), seed=2)])
    note = quality.note(data, "Walk")
    assert note.measures.twins == pytest.approx(2 / 3)
    assert note.measures.shared == pytest.approx(2 / 3)
    assert codes(note)["alike"] == LOOK
    few = replace(note.measures, shared=None)
    assert "2 of 3 episodes are copies of another" in quality.judge(few).text


def test_episodes_that_all_look_alike_are_poor(written):
    """The same pictures whatever was pressed: no two episodes are copies, every frame is in the other."""
    frames, _ = walk(100, 0)
    rng = np.random.default_rng(0)
    data = written([episode(frames, rng.integers(0, 4, 99), seed=k) for k in range(3)])
    note = quality.note(data, "Walk")
    assert note.measures.twins == 0
    assert note.measures.shared == 1
    assert codes(note)["alike"] == note.level == POOR


def test_one_episode_is_compared_with_none(written):
    note = quality.note(written([episode(*walk(50, 0))]), "Walk")
    assert note.measures.shared is None
    assert "alike" not in codes(note)


def test_short_episodes(written):
    data = written([episode(*walk(n, n)) for n in (1, 2, 15, 16, 90)])
    note = quality.note(data, "Walk")
    assert note.measures.short == 3
    assert codes(note)["short"] == POOR
    assert "3 of 5 episodes have fewer than 16 frames" in note.text


def test_episodes_that_end_early(written):
    created = {"connector": {"generator_config": {"n_steps_max": 100}}}
    data = written([episode(*walk(n, n), terminated=True, truncated=False) for n in (40, 45, 99)], created_by=created)
    note = quality.note(data, "Walk")
    assert quality.step_limit(data) == 100
    assert codes(note)["early"] == LOOK
    assert "within 45 of 101" in note.text
    assert note.measures.terminated == 1
    assert "every episode ends by itself" in note.remarks
    assert "early" not in codes(quality.judge(note.measures)), "nobody says how long they could have been"


def test_ground_truth_that_never_changes(written):
    frames, actions = walk(40, 0)
    info = {
        "lives": np.full(40, 3, np.int64),
        "score": np.arange(40, dtype=np.int64),
        "dark": np.zeros(40, bool),
        "nan": np.full(40, np.nan),
    }
    other = {**info, "lives": np.full(40, 3, np.int64), "level": np.zeros(40)}
    data = written([episode(frames, actions, info=info), episode(*walk(40, 1), info=other)])
    measured = quality.note(data, "Walk").measures
    assert measured.constant == ("lives", "dark", "nan", "level")
    assert measured.varying == ("score",)
    assert measured.rewarded == 0


def test_truth_is_read_as_it_was_written(written):
    frames, actions = walk(40, 0)
    info = {"x": np.arange(40, dtype=np.int16), "y": np.linspace(0, 1, 40)}
    rewards = np.arange(39, dtype=np.float32)
    data = written([episode(frames, actions, info=info, rewards=rewards)])
    read, truth = data.truth(0)
    assert np.array_equal(read, rewards)
    assert truth.keys() == info.keys()
    for name, values in truth.items():
        assert values.dtype == info[name].dtype
        assert np.array_equal(values, info[name])


def test_frames_without_actions_are_judged_too(written):
    frames, _ = walk(60, 0)
    note = quality.note(written([episode(frames, np.full(59, -1, np.int64))], names=()), "Walk")
    assert note.measures.actions == {}
    assert note.measures.action_change == {}
    assert note.measures.alike == ()


def test_single_frames_alone(written):
    note = quality.note(written([episode(*walk(1, k)) for k in range(2)]), "Walk")
    assert note.measures.idle is None
    assert note.level == note.to_json()["level"] == POOR


def test_an_unknown_game_is_named(written):
    with pytest.raises(UserError, match="Other"):
        quality.note(written([episode(*walk(20, 0))]), "Other")


def test_brief_says_only_what_deserves_a_look(written):
    still, actions = walk(60, 1)
    still[:] = still[0]
    data = written([episode(*walk(60, 0), game="Fine"), episode(still, actions, game="Frozen")])
    lines = quality.brief(data)
    assert len(lines) == 2
    assert "1 of 2 games" in lines[0]
    assert "Frozen: frozen" in lines[1]
    assert quality.brief(data.select(game="Fine")) == []
    assert quality.brief(data, seconds=0) == [], "one game was looked at, and it is fine"


def test_brief_is_bounded_in_time(written):
    still, actions = walk(60, 1)
    still[:] = still[0]
    data = written([episode(still, actions, game=f"Frozen{k}") for k in range(3)])
    assert "1 of 1 games" in quality.brief(data, seconds=0)[0]
    assert "(2 were not looked at)" in quality.brief(data, seconds=0)[0]


def test_the_limits_part_the_games_that_were_measured_as_weak():
    """The table of distinct frames that the limits were set by."""
    with (FIXTURES / "distinct_frames.csv").open() as file:
        distinct = {row["game"]: int(row["distinct_of_500"]) / 500 for row in csv.DictReader(file)}
    assert len(distinct) == 33
    limit = THRESHOLDS["distinct_look"].value
    weak = {"Adventure", "CrazyClimber", "Kangaroo", "TimePilot", "UpNDown"}
    assert {game for game, share in distinct.items() if share < limit} == weak
    assert min(distinct.values()) > THRESHOLDS["distinct_poor"].value
