"""The published folder format becomes a data set: frames, actions, alignment, damage, interruption."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genieredux.episodes import Dataset
from genieredux.episodes.fake import ACTION_NAMES, fake_episode, fake_places
from genieredux.episodes.interchange import ConvertConfig, convert
from genieredux.episodes.interchange.published import COINRUN_ACTIONS, read_leaf
from genieredux.episodes.interchange.splits import Shares
from genieredux.errors import UserError
from published_cases import folders

from .conftest import SIZE, Publish, publish_leaf, publish_session


def run(source: Path, tmp_path: Path, **options: object) -> Dataset:
    made = convert(ConvertConfig(str(source), root=str(tmp_path / "out"), **options))  # type: ignore[arg-type]
    return Dataset.open(made.path, verify=True)


@pytest.mark.parametrize("film", [False, True])
@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("keys", [("src_id", "tgt_id"), ("src_frame_id", "tgt_frame_id")])
def test_every_shape_of_the_format_keeps_frames_and_actions_aligned(
    publish: Publish, tmp_path: Path, film: bool, bare: bool, one_hot: bool, keys: tuple[str, str]
) -> None:
    dataset = run(publish((9, 20), film=film, bare=bare, one_hot=one_hot, keys=keys), tmp_path)
    assert len(dataset) == 2
    assert dataset.spec.action_names == ACTION_NAMES
    for i, length in enumerate((9, 20)):
        episode, original = dataset.episode(i), fake_episode(length, i, SIZE)
        places = fake_places(episode.frames)
        assert np.array_equal((places[:-1] + episode.actions) % 16, places[1:])  # the action explains the next frame
        assert np.array_equal(episode.actions, original.actions)
        assert np.array_equal(episode.info["place"], original.info["place"])  # and the truth is that of its frame
        assert np.array_equal(episode.info["place"], places)
        assert np.array_equal(episode.info["height"], original.info["height"])
        assert "who" not in episode.info
        assert np.abs(episode.frames.astype(int) - original.frames).mean() < 8


@pytest.mark.parametrize("source", folders("dataset_frame/retro_act_v0.0.0"))
def test_the_published_fixture_is_read_to_the_pixel(source: Path, tmp_path: Path) -> None:
    dataset = run(source, tmp_path)
    assert len(dataset) == 4
    assert dataset.spec.name == "retro_act_v0.0.0"
    assert dataset.spec.action_names == ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP")
    assert dataset.index["split"].to_pylist() == ["train", "train", "train", "test"]
    for i, folder in enumerate(sorted((source / "retro_airstriker-genesis_v0.0.0/000000").iterdir())):
        episode = dataset.episode(i)
        assert (episode.game, episode.console, episode.policy) == ("Airstriker-Genesis", "Genesis", "random")
        pictures = [cv2.imread(str(path))[..., ::-1] for path in sorted((folder / "frames").glob("*.jpg"))]
        assert np.array_equal(episode.frames, np.stack(pictures))
        entries = json.loads((folder / "actions.json").read_text())["actions"]
        expected = {entry["src_id"]: int(np.argmax(entry["action"])) for entry in entries}
        assert [expected[k] for k in range(len(episode) - 1)] == episode.actions.tolist()
        assert [entry["extras"]["score"] for entry in entries] == episode.info["score"].tolist()


def test_several_games_become_one_data_set(publish: Publish, tmp_path: Path) -> None:
    dataset = run(publish((5, 6), leaves=("toy", "other")), tmp_path)
    assert sorted(set(dataset.index["game"].to_pylist())) == ["Other-Nes", "Toy-Nes"]
    assert len(dataset) == 4


def test_one_game_alone_can_be_converted(publish: Publish, tmp_path: Path) -> None:
    source = publish((5, 6), leaves=("toy", "other"))
    dataset = run(source / "toy", tmp_path, name="mine")
    assert dataset.spec.name == "mine"
    assert set(dataset.index["game"].to_pylist()) == {"Toy-Nes"}


def test_a_session_cut_by_the_generator_is_truncated(publish: Publish, tmp_path: Path) -> None:
    dataset = run(publish((9, 20)), tmp_path)  # n_steps_max is 20
    assert dataset.index["truncated"].to_pylist() == [False, True]
    assert dataset.index["terminated"].to_pylist() == [False, False]


def test_variables_that_some_frames_lack_are_nan_there(publish: Publish, tmp_path: Path) -> None:
    source = publish((5,))
    path = source / "toy/000000/000000/actions.json"
    values = json.loads(path.read_text())
    del values["actions"][3]["extras"]["place"]
    path.write_text(json.dumps(values))
    place = run(source, tmp_path).episode(0).info["place"]
    assert place.dtype == np.float64
    assert np.isnan(place).tolist() == [False, False, False, True, False]


def _rewrite(session: Path, change: object) -> None:
    values = json.loads((session / "actions.json").read_text())
    change(values["actions"])  # type: ignore[operator]
    (session / "actions.json").write_text(json.dumps(values))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda s: (s / "actions.json").unlink(), "actions.json is missing"),
        (lambda s: _cut(s / "actions.json"), "actions.json is not readable"),
        (lambda s: (s / "actions.json").write_text("3"), "holds no list of actions"),
        (lambda s: _rewrite(s, lambda a: a.pop(4)), "lacks the action at frame 3"),
        (lambda s: _rewrite(s, lambda a: a.pop()), "9 frames with 7 actions between them, 8 are due"),
        (lambda s: _rewrite(s, lambda a: a[3].update(action=[1, 1, 0])), "at frame 2 is [1, 1, 0], not one of 3"),
        (lambda s: _rewrite(s, lambda a: a[3].update(action=7)), "at frame 2 is 7, not one of 3"),
        (lambda s: _rewrite(s, lambda a: a[3].pop("src_id")), "an entry without src_id"),
        (lambda s: _rewrite(s, lambda a: a[3].update(tgt_id=5)), "from frame 2 to 5"),
        (lambda s: _rewrite(s, lambda a: a.append(a[3])), "from frame 2 to 3, twice"),
        (lambda s: (s / "frames/000004.jpg").unlink(), "000008.jpg|000004.jpg is missing"),
        (lambda s: _cut(s / "frames/000004.jpg"), "000004.jpg is damaged"),
        (lambda s: shutil.rmtree(s / "frames"), "neither frames/ nor frames.mp4"),
        (lambda s: cv2.imwrite(str(s / "frames/000004.jpg"), np.zeros((32, 32, 3))), "several sizes: 32x32, 64x64"),
    ],
)
def test_a_damaged_session_is_named_and_left_out_or_stopped_at(
    publish: Publish, tmp_path: Path, damage: object, reason: str
) -> None:
    source = publish((5, 9, 6))
    damage(source / "toy/000000/000001")  # type: ignore[operator]
    with pytest.raises(UserError, match="damaged: toy/000000/000001: ") as stopped:
        convert(ConvertConfig(str(source), root=str(tmp_path / "stopped"), damaged="stop"))
    assert any(part in str(stopped.value) for part in reason.split("|"))
    made = convert(ConvertConfig(str(source), root=str(tmp_path / "out")))
    assert [what.where for what in made.left_out] == ["toy/000000/000001"]
    assert any(part in made.left_out[0].reason for part in reason.split("|"))
    assert Dataset.open(made.path, verify=True).lengths.tolist() == [5, 6]


def test_a_truncated_film_is_damage(publish: Publish, tmp_path: Path) -> None:
    source = publish((5, 9), film=True)
    _cut(source / "toy/000000/000001/frames.mp4")
    made = convert(ConvertConfig(str(source), root=str(tmp_path / "out")))
    assert [what.where for what in made.left_out] == ["toy/000000/000001"]


def test_frames_of_another_size_than_the_first_are_left_out(publish: Publish, tmp_path: Path) -> None:
    source = publish((5,))
    publish_session(source / "toy/000000/000001", fake_episode(5, 1, 32))
    made = convert(ConvertConfig(str(source), root=str(tmp_path / "out")))
    assert "32x32, the others 64x64" in made.left_out[0].reason


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda source: shutil.rmtree(source), "no such folder"),
        (lambda source: [path.unlink() for path in source.glob("*/info.json")], "no published data set here"),
        (
            lambda source: (source / "toy/info.json").write_text("{}"),
            "no game could be read; the first: toy: info.json",
        ),
        (lambda source: shutil.rmtree(source / "toy/000000"), "no <instance>/<session> folder"),
        (
            lambda source: [p.unlink() for p in source.rglob("actions.json")],
            "no session could be read; the first: toy/0",
        ),
        (lambda source: publish_leaf(source / "z", action_space=[2], action_captions=[["A"], ["B"]]), "one by one"),
    ],
)
def test_what_cannot_be_converted_writes_nothing(publish: Publish, tmp_path: Path, spoil: object, message: str) -> None:
    source = publish((5,))
    spoil(source)  # type: ignore[operator]
    with pytest.raises(UserError, match=message):
        convert(ConvertConfig(str(source), root=str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


def test_an_interrupted_conversion_goes_on_and_ends_the_same(publish: Publish, tmp_path: Path) -> None:
    source = publish((5, 9, 6, 7))

    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    cfg = ConvertConfig(str(source), root=str(tmp_path / "interrupted"))
    with pytest.raises(KeyboardInterrupt):
        convert(cfg, interrupt)
    assert len(Dataset.open(tmp_path / "interrupted" / source.name, verify=True)) == 2
    seen: list[tuple[int, int]] = []
    made = convert(cfg, lambda done, total: seen.append((done, total)))
    assert (made.episodes, made.total_episodes) == (2, 4)
    assert seen == [(3, 4), (4, 4)]
    whole, again = run(source, tmp_path), Dataset.open(made.path, verify=True)
    assert whole.ids == again.ids
    assert all(whole.episode(i).same_as(again.episode(i)) for i in range(4))
    assert convert(cfg).episodes == 0


def test_a_data_set_of_another_origin_is_not_continued(publish: Publish, tmp_path: Path) -> None:
    source = publish((5, 6))
    cfg = ConvertConfig(str(source), name="x", root=str(tmp_path))
    convert(cfg)
    with pytest.raises(UserError, match=r"exists with test=0.01, cannot continue with test=0.5"):
        convert(ConvertConfig(str(source), name="x", root=str(tmp_path), test=0.5))
    other = source.rename(tmp_path / "other")
    with pytest.raises(UserError, match="cannot continue with source=other"):
        convert(ConvertConfig(str(other), name="x", root=str(tmp_path)))


def test_coinruns_seven_actions_have_names_and_others_numbers(tmp_path: Path) -> None:
    publish_leaf(tmp_path / "coinrun", game="CoinRun", action_space=[7], action_captions=None)
    publish_leaf(tmp_path / "other", game="Other-v0", action_space=4, action_captions=None)
    coinrun, other = read_leaf(tmp_path / "coinrun"), read_leaf(tmp_path / "other")
    assert coinrun.action_names == COINRUN_ACTIONS
    assert (coinrun.game, coinrun.console) == ("CoinRun", "unknown")
    assert other.action_names == ("ACTION_0", "ACTION_1", "ACTION_2", "ACTION_3")
    # the published reader's permutation gives its five columns from these, and drops the two last
    assert [COINRUN_ACTIONS[k] for k in (1, 2, 0, 6, 3)] == ["RIGHT", "LEFT", "NOOP", "DOWN", "ACTION_JUMP"]


@given(st.integers(1, 400))
def test_splits_are_the_published_ones(count: int) -> None:
    splits = [Shares().split(k, count) for k in range(count)]
    assert splits == sorted(splits, key=("train", "validation", "test").index)
    assert splits.count("train") == max(count * 9 // 10, 1)
    assert splits.count("train") + splits.count("validation") == max(count * 99 // 100, 1)


@pytest.mark.parametrize("shares", [(-0.1, 0.1), (0.5, 0.5), (1.0, 0.0)])
def test_shares_out_of_range_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(UserError, match="sum below 1"):
        Shares(*shares)


def test_what_systems_and_editors_leave_about_changes_nothing(publish: Publish, tmp_path: Path) -> None:
    source = publish(leaves=("toy",))
    for folder in (source, source / "toy", source / "toy/000000", source / "toy/000000/000000"):
        for stray in (".DS_Store", "Thumbs.db", "desktop.ini", "._info.json", "info.json~"):
            (folder / stray).write_bytes(b"\0")
        for name in (".git", "__MACOSX", "lost+found", ".ipynb_checkpoints"):
            (folder / name).mkdir()
            (folder / name / "info.json").write_bytes(b"half")
    frames = source / "toy/000000/000000/frames"
    for stray in ("._000000.jpg", "000000 (1).jpg", "Thumbs.db"):
        (frames / stray).write_bytes(b"\0")
    made = convert(ConvertConfig(str(source), "mine", str(tmp_path / "out")))
    assert made.episodes == 4
    assert made.left_out == ()


@pytest.mark.parametrize("space", [10_000_000_000, 0, -3, [], "x", None, [10_000_000_000], 1e300])
def test_an_action_space_that_cannot_be_is_one_line(publish: Publish, tmp_path: Path, space: object) -> None:
    source = publish()
    info = json.loads((source / "toy/info.json").read_text())
    info["info"]["action_space"] = space
    del info["info"]["action_captions"]
    (source / "toy/info.json").write_text(json.dumps(info))
    with pytest.raises(UserError, match=r"no game could be read.*info\.json"):
        convert(ConvertConfig(str(source), "mine", str(tmp_path / "out")))
