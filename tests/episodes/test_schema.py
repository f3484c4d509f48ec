"""Only well-formed episodes and specs exist."""

from dataclasses import replace

import numpy as np
import pytest

from genieredux.episodes import DatasetSpec, Episode
from genieredux.episodes.fake import fake_episode, fake_spec
from genieredux.episodes.schema import SCHEMA_VERSION, UNKNOWN_ACTION, check_episode_id, make_episode_id
from genieredux.errors import UserError


def changed(**parts: object) -> Episode:
    return replace(fake_episode(5), **parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"frames": np.zeros((5, 16, 16, 3), np.float32)}, "uint8"),
        ({"frames": np.zeros((5, 16, 16), np.uint8)}, "uint8"),
        ({"frames": np.zeros((6, 16, 16, 3), np.uint8)}, "T-1"),
        ({"actions": np.zeros(5, np.int64)}, "T-1"),
        ({"actions": np.zeros(4, np.int32)}, "int64"),
        ({"rewards": np.zeros(4, np.float64)}, "float32"),
        ({"rewards": np.zeros(3, np.float32)}, "T-1"),
        ({"rewards": np.array([0, np.inf, 0, 0], np.float32)}, "infinite"),
        ({"info": {"x": np.zeros(4)}}, "info 'x'"),
        ({"info": {"x": np.array(["a"] * 5)}}, "info 'x'"),
        ({"split": ""}, "split"),
        ({"id": "../escape"}, "episode id"),
        ({"id": "shard-1"}, "episode id"),
        ({"id": "a" * 181}, "episode id"),
    ],
)
def test_bad_episodes_are_refused(parts: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        changed(**parts)


def test_an_episode_without_frames_is_refused() -> None:
    with pytest.raises(UserError, match="T-1"):
        changed(
            frames=np.zeros((0, 16, 16, 3), np.uint8),
            actions=np.zeros(0, np.int64),
            rewards=np.zeros(0, np.float32),
            info={},
        )


def test_same_as_sees_every_difference() -> None:
    episode = fake_episode(5)
    assert episode.same_as(fake_episode(5))
    frames = episode.frames.copy()
    frames[4, 15, 15, 2] += 1
    for parts in (
        {"frames": frames},
        {"actions": (episode.actions + 1) % 3},
        {"info": {}},
        {"info": {**episode.info, "place": episode.info["place"].astype(np.int32)}},
        {"policy": "held"},
        {"seed": 7},
        {"tags": ()},
        {"terminated": True},
    ):
        assert not episode.same_as(replace(episode, **parts))


@pytest.mark.parametrize(
    "parts",
    [
        {"image_size": 0},
        {"action_names": ("A", "A")},
        {"schema_version": SCHEMA_VERSION + 1},
    ],
)
def test_bad_specs_are_refused(parts: dict) -> None:
    with pytest.raises(UserError, match="fake"):
        replace(fake_spec(), **parts)


def test_spec_survives_json() -> None:
    spec = DatasetSpec("coins", 64, ("LEFT", "RIGHT"), created_by={"seed": 3, "versions": {"numpy": "1"}})
    assert DatasetSpec.from_json(spec.to_json(), "here") == spec


def test_a_spec_refuses_episodes_of_another_size_or_action() -> None:
    with pytest.raises(UserError, match="32x32"):
        fake_spec(16).check_episode(fake_episode(5, image_size=32))
    with pytest.raises(UserError, match=r"0\.\.3|\.\.3"):
        fake_spec().check_episode(changed(actions=np.array([0, 1, 2, 3])))
    with pytest.raises(UserError, match=r"-1\.\."):
        fake_spec().check_episode(changed(actions=np.array([0, 1, 2, -1])))


def test_a_spec_without_actions_takes_unknown_ones_alone() -> None:
    spec = replace(fake_spec(), action_names=())
    assert not spec.has_actions
    assert DatasetSpec.from_json(spec.to_json(), "here") == spec
    spec.check_episode(changed(actions=np.full(4, UNKNOWN_ACTION)))
    with pytest.raises(UserError, match=r"no actions, so each must be -1; the episode has 0\.\.2"):
        spec.check_episode(changed(actions=np.array([0, 1, 2, 0])))
    with pytest.raises(UserError, match="a guided model learns from true ones"):
        spec.require_actions("a guided model")
    fake_spec().require_actions("a guided model")


def test_made_ids_are_file_names_and_say_what_is_inside() -> None:
    episode = changed(game="Airstriker-Genesis", policy="random/held", instance=17, seed=3)
    assert make_episode_id(episode, 2) == "airstriker-genesis-train-random_held-s3-i17-n000002"
    for game in ("shard-x", "スーパーマリオ", "..", "a" * 300):
        check_episode_id(make_episode_id(changed(game=game), 0))
