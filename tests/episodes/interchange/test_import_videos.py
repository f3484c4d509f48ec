"""A folder of videos becomes a data set: which frames, cut how, with or without actions, and what is refused."""

import csv
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genieredux.envs.frame import transform
from genieredux.episodes import Dataset, TokenCache, WindowSampler
from genieredux.episodes.fake import ACTION_NAMES, fake_episode, fake_places
from genieredux.episodes.info import describe
from genieredux.episodes.interchange import VideoConfig, import_videos
from genieredux.episodes.interchange.decode import read_video
from genieredux.episodes.interchange.import_videos import cut
from genieredux.episodes.schema import UNKNOWN_ACTION
from genieredux.errors import UserError
from genieredux.pictures import write_video

SIZE = 16


def make_video(path: Path, length: int = 12, seed: int = 0, size: int = SIZE, fps: int = 10) -> np.ndarray:
    """A lossless film of a fake episode; returns its frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = fake_episode(length, seed, size).frames
    write_video(path, frames, fps, lossless=True)
    return frames


def actions_of(length: int = 12, seed: int = 0) -> list[int]:
    return fake_episode(length, seed, SIZE).actions.tolist()


def run(tmp_path: Path, **options: object) -> Dataset:
    known = {"folder": str(tmp_path / "films"), "name": "mygame", "root": str(tmp_path / "out"), "image_size": SIZE}
    made = import_videos(VideoConfig(**{**known, **options}))  # type: ignore[arg-type]
    return Dataset.open(made.path, verify=True)


def test_a_video_is_an_episode_without_actions(tmp_path: Path) -> None:
    frames = make_video(tmp_path / "films/a.mp4")
    make_video(tmp_path / "films/deep/b.mkv.mp4", length=8, seed=1)
    dataset = run(tmp_path)
    assert dataset.spec.action_names == ()
    assert dataset.lengths.tolist() == [12, 8]
    episode = dataset.episode(0)
    assert np.array_equal(episode.frames, frames)
    assert np.all(episode.actions == UNKNOWN_ACTION)
    assert (episode.game, episode.console, episode.tags, episode.truncated) == ("mygame", "video", ("a.mp4",), False)
    assert "actions   none recorded" in describe(dataset).to_text()


def test_one_video_is_taken_as_it_is_and_what_lies_beside_it_is_not(tmp_path: Path, caplog) -> None:
    frames = make_video(tmp_path / "films/a.mp4")
    make_video(tmp_path / "films/b.mp4", seed=1)
    (tmp_path / "films/a.csv").write_text(
        "\n".join(["frame,action", *(f"{k},{a}" for k, a in enumerate(actions_of()))])
    )
    dataset = run(tmp_path, folder=str(tmp_path / "films/a.mp4"))
    assert np.array_equal(dataset.episode(0).frames, frames)
    assert (len(dataset), dataset.episode(0).tags) == (1, ("a.mp4",))
    assert f"actions={tmp_path / 'films'} reads it" in caplog.text
    with_actions = {"folder": str(tmp_path / "films/a.mp4"), "actions": str(tmp_path / "films"), "name": "with"}
    assert run(tmp_path, **with_actions).actions(0).tolist() == actions_of()
    (tmp_path / "films/c.avi").write_bytes(b"no film at all")
    with pytest.raises(UserError, match=r"c\.avi: no video; the first of 1 other files: c\.avi"):
        run(tmp_path, folder=str(tmp_path / "films/c.avi"), name="none")


def test_windows_of_such_a_data_set_are_windows_of_frames(tmp_path: Path) -> None:
    frames = make_video(tmp_path / "films/a.mp4")
    dataset = run(tmp_path)
    episodes, starts = WindowSampler(dataset.lengths, 4, 3, 0).batch_arrays(1)
    cut, actions = dataset.windows(episodes, starts, 4)
    assert np.all(actions == UNKNOWN_ACTION)
    assert actions.shape == (3, 3)
    for k, start in enumerate(starts.tolist()):
        assert np.array_equal(cut[k], frames[start : start + 4])


def test_tokens_of_such_a_data_set_can_be_cached(tmp_path: Path) -> None:
    make_video(tmp_path / "films/a.mp4")
    dataset = run(tmp_path)
    cache = TokenCache.build(dataset, lambda clips: clips[..., ::8, ::8, 0].astype(np.int64), "tiny", clip_frames=4)
    tokens, actions = cache.windows(np.array([0]), np.array([3]), 5)
    assert tokens.shape == (1, 5, 2, 2)
    assert np.all(actions == UNKNOWN_ACTION)


def test_pictures_are_padded_and_shrunk_as_in_the_games(tmp_path: Path) -> None:
    wide = np.random.default_rng(0).integers(0, 255, (5, 48, 80, 3), np.uint8)
    (tmp_path / "films").mkdir()
    write_video(tmp_path / "films/a.mp4", wide, 10, lossless=True)
    got = run(tmp_path, image_size=32).episode(0).frames
    assert np.array_equal(got, np.stack([transform(frame, 32) for frame in wide]))


@given(st.integers(0, 60), st.integers(2, 20))
def test_cutting_loses_no_frame_and_no_transition(length: int, most: int) -> None:
    parts = list(cut(((k, np.full((1, 1, 3), k, np.uint8)) for k in range(length)), most))
    pairs = [pair for numbers, _, _ in parts for pair in pairwise(numbers)]
    assert pairs == [(k, k + 1) for k in range(length - 1)]
    assert all(len(numbers) <= most and frames[:, 0, 0, 0].tolist() == numbers for numbers, frames, _ in parts)
    assert [last for _, _, last in parts] == [False] * (len(parts) - 1) + [True] * bool(parts)
    assert all(len(numbers) >= 2 for numbers, _, _ in parts) or length == 1


def test_a_long_video_is_cut_into_episodes_of_one_split(tmp_path: Path) -> None:
    frames = make_video(tmp_path / "films/a.mp4", 12)
    dataset = run(tmp_path, max_frames=5, actions=_csv(tmp_path, actions_of()))
    assert dataset.lengths.tolist() == [5, 5, 4]
    assert dataset.index["truncated"].to_pylist() == [True, True, False]
    assert [dataset.episode(i).frames[0].tolist() for i in range(3)] == [frames[k].tolist() for k in (0, 4, 8)]
    assert np.concatenate([dataset.actions(i) for i in range(3)]).tolist() == actions_of()
    assert set(dataset.index["split"].to_pylist()) == {"train"}


def test_frame_skip_takes_every_nth_frame(tmp_path: Path) -> None:
    frames = make_video(tmp_path / "films/a.mp4", 12)
    assert np.array_equal(run(tmp_path, frame_skip=4).episode(0).frames, frames[::4])


@pytest.mark.parametrize(("fps", "expected"), [(10, range(12)), (5, range(0, 12, 2)), (2.5, range(0, 12, 4))])
def test_fps_takes_what_is_on_screen_at_each_tick(tmp_path: Path, fps: float, expected: range) -> None:
    frames = make_video(tmp_path / "films/a.mp4", 12)
    assert np.array_equal(run(tmp_path, fps=fps).episode(0).frames, frames[list(expected)])


def test_fps_above_the_videos_repeats_frames(tmp_path: Path) -> None:
    frames = make_video(tmp_path / "films/a.mp4", 4)
    got = run(tmp_path, fps=20).episode(0).frames
    assert np.array_equal(got, frames[[0, 0, 1, 1, 2, 2, 3]])


def _csv(tmp_path: Path, actions: list[int], names: bool = False, name: str = "actions.csv") -> str:
    path = tmp_path / name
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", "action"])
        writer.writerows((k, ACTION_NAMES[a] if names else a) for k, a in enumerate(actions))
    return str(path)


def _check_places(dataset: Dataset) -> None:
    for i in range(len(dataset)):
        episode = dataset.episode(i)
        moves = np.array([ACTION_NAMES.index(name) for name in dataset.spec.action_names])
        places = fake_places(episode.frames)
        assert np.array_equal((places[:-1] + moves[episode.actions]) % 16, places[1:])


def test_actions_by_name_lead_to_the_next_frame(tmp_path: Path) -> None:
    make_video(tmp_path / "films/a.mp4")
    dataset = run(tmp_path, actions=_csv(tmp_path, actions_of(), names=True))
    assert dataset.spec.action_names == ("JUMP", "STAY", "STEP")
    _check_places(dataset)


def test_one_file_for_all_videos_and_a_file_beside_each_say_the_same(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        make_video(tmp_path / f"films/{name}.mp4", seed=seed)
        (tmp_path / f"films/{name}.json").write_text(json.dumps(actions_of(seed=seed)))
    everything = {"a.mp4": actions_of(seed=0), "b": actions_of(seed=1), "action_names": list(ACTION_NAMES)}
    (tmp_path / "all.json").write_text(json.dumps(everything))
    rows = [
        f"{name}.mp4, {k}, {ACTION_NAMES[a]}"
        for name, s in (("a", 0), ("b", 1))
        for k, a in enumerate(actions_of(seed=s))
    ]
    (tmp_path / "all.csv").write_text("\n".join(["video, frame, action", *reversed(rows)]))
    ways = {
        "beside": {"actions": str(tmp_path / "films"), "action_names": ACTION_NAMES},
        "json": {"actions": str(tmp_path / "all.json")},
        "csv": {"actions": str(tmp_path / "all.csv"), "action_names": ACTION_NAMES},
    }
    made = [run(tmp_path, name=name, **options) for name, options in ways.items()]
    for dataset in made:
        assert dataset.spec.action_names == ACTION_NAMES
        _check_places(dataset)
        assert [dataset.actions(i).tolist() for i in range(2)] == [made[0].actions(i).tolist() for i in range(2)]


def test_files_beside_may_end_in_capitals_and_are_pointed_at(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_video(tmp_path / "films/A.MP4")
    rows = [f"{k};{ACTION_NAMES[a]}" for k, a in enumerate(actions_of())]
    (tmp_path / "films/A.CSV").write_text("\r\n".join(["Frame;Action", *rows]))
    assert not run(tmp_path, name="without").spec.has_actions
    assert f"1 of 1 videos have a file of their name beside them; actions={tmp_path / 'films'}" in caplog.text
    dataset = run(tmp_path, name="with", actions=str(tmp_path / "films"), action_names=ACTION_NAMES)
    assert dataset.actions(0).tolist() == actions_of()


def test_frame_skip_takes_the_action_at_the_frame_it_keeps(tmp_path: Path) -> None:
    make_video(tmp_path / "films/a.mp4")
    dataset = run(tmp_path, frame_skip=3, actions=_csv(tmp_path, actions_of()))
    assert dataset.actions(0).tolist() == actions_of()[0:9:3]


def test_names_that_are_all_canonical_keep_the_canonical_order(tmp_path: Path) -> None:
    make_video(tmp_path / "films/a.mp4", 3)
    (tmp_path / "all.json").write_text('["UP", "RIGHT"]')
    dataset = run(tmp_path, actions=str(tmp_path / "all.json"))
    assert dataset.spec.action_names == ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP")
    assert dataset.actions(0).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("text", "suffix", "message"),
    [
        (json.dumps(actions_of()[:-2]), "json", r"a\.mp4: 9 actions for 12 frames; .* give 11 \(or 12"),
        (json.dumps([*actions_of(), 0, 0]), "json", r"a\.mp4: 13 actions for 12 frames"),
        ("[1, true]", "json", "an action is True"),
        ("[[1, 0]]", "json", "an action is"),
        ('{"a": [0], "c.mp4": [0]}', "json", r"no video 'c\.mp4' .*nearest: a\.mp4"),
        ('{"b.mp4": [0, 1]}', "json", "no video 'b.mp4'"),
        ('{"other": 3}', "json", r"no actions for a\.mp4"),
        ("{", "json", "not readable"),
        ("3", "json", "give a list of actions"),
        ('{"action_names": ["A"], "actions": ["B"]}', "json", "at frame 0 is 'B'; the actions are A"),
        ("time,key\n0,1", "csv", "must name the columns frame, action"),
        ("frame,action\n0,1\n2,1", "csv", r"a\.mp4 has no action at frame 1"),
        ("frame,action\n0,1\n0,1", "csv", "line 3: frame 0 of a.mp4 twice"),
        ("frame,action\nx,1", "csv", "line 2: frame is 'x'"),
        ("video,frame,action\nq,0,1", "csv", "no video 'q'"),
        ("0 1", "txt", "ends in .csv, .tsv or .json"),
    ],
)
def test_a_bad_action_file_is_one_clear_line_and_nothing_is_written(
    tmp_path: Path, text: str, suffix: str, message: str
) -> None:
    make_video(tmp_path / "films/a.mp4")
    path = tmp_path / f"actions.{suffix}"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        run(tmp_path, actions=str(path))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fps": 0}, "fps is 0"),
        ({"fps": 1e9}, "fps is 1000000000.0; it must be from 0 to 1000"),
        ({"fps": 5, "frame_skip": 2}, "leave fps out"),
        ({"max_frames": 1}, "max_frames is 1"),
        ({"frame_skip": 0}, "frame_skip is 0"),
        ({"image_size": 0}, "image_size is 0"),
        ({"action_names": ("A",)}, "give actions=FILE"),
        ({"name": "a/b"}, "name is 'a/b'"),
        ({"folder": "/nowhere"}, "there is nothing here; give the folder that holds the videos, or one video"),
        ({"actions": "/nowhere.csv"}, "no such file"),
        ({"test": 1.0}, "below 1"),
    ],
)
def test_bad_options_are_refused(tmp_path: Path, options: dict, message: str) -> None:
    make_video(tmp_path / "films/a.mp4")
    with pytest.raises(UserError, match=message):
        run(tmp_path, **options)
    assert not (tmp_path / "out").exists()


def test_files_that_are_no_video_are_named_and_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    (films / "notes.txt").write_text("about the videos")
    (films / "broken.mp4").write_bytes(b"no film at all")
    with pytest.raises(UserError, match=r"no video in it .*broken\.mp4: .*no film"):
        run(tmp_path)
    assert not (tmp_path / "out").exists()
    make_video(films / "a.mp4")
    made = import_videos(VideoConfig(str(films), "mygame", str(tmp_path / "out"), SIZE))
    assert [what.where for what in made.left_out] == ["broken.mp4"]
    assert made.episodes == 1


def test_a_video_that_breaks_off_is_kept_as_far_as_it_goes(tmp_path: Path) -> None:
    frames = make_video(tmp_path / "films/a.mp4", 200)
    data = (tmp_path / "films/a.mp4").read_bytes()
    (tmp_path / "films/a.mp4").write_bytes(data[: len(data) * 2 // 3])
    made = import_videos(VideoConfig(str(tmp_path / "films"), "mygame", str(tmp_path / "out"), SIZE))
    (what,) = made.left_out
    assert what.where == "a.mp4"
    assert f"{made.frames} frames before that are kept" in what.reason
    got = Dataset.open(made.path, verify=True).episode(0).frames
    assert 2 <= len(got) < 200
    assert np.array_equal(got, frames[: len(got)])


def test_an_interrupted_import_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    for seed in range(3):
        make_video(tmp_path / f"films/v{seed}.mp4", 12, seed)
    cfg = VideoConfig(str(tmp_path / "films"), "cut", str(tmp_path / "out"), SIZE, max_frames=5)

    def interrupt(done: int, total: int) -> None:
        if done > 12 + 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_videos(cfg, interrupt)
    stored = len(Dataset.open(tmp_path / "out/cut", verify=True))
    assert 3 < stored < 9
    made = import_videos(cfg)
    assert (made.episodes, made.total_episodes) == (9 - stored, 9)
    assert import_videos(cfg).episodes == 0
    again, whole = Dataset.open(made.path, verify=True), run(tmp_path, name="whole", max_frames=5)
    assert again.ids == whole.ids
    assert all(np.array_equal(again.frames(i), whole.frames(i)) for i in range(9))


def test_other_settings_do_not_continue_an_import(tmp_path: Path) -> None:
    make_video(tmp_path / "films/a.mp4")
    run(tmp_path)
    with pytest.raises(UserError, match="exists with frame_skip=1, cannot continue with frame_skip=2"):
        run(tmp_path, frame_skip=2)
    with pytest.raises(UserError, match="action_names"):
        run(tmp_path, actions=_csv(tmp_path, actions_of()))


def test_whole_videos_go_to_validation_and_test(tmp_path: Path) -> None:
    for seed in range(4):
        make_video(tmp_path / f"films/v{seed}.mp4", 6, seed)
    dataset = run(tmp_path, validation=0.25, test=0.25, max_frames=4)
    splits = dict(
        zip((tags[0] for tags in dataset.index["tags"].to_pylist()), dataset.index["split"].to_pylist(), strict=True)
    )
    assert splits == {"v0.mp4": "train", "v1.mp4": "train", "v2.mp4": "validation", "v3.mp4": "test"}


def test_a_lossless_film_is_read_back_to_the_bit(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (7, 30, 50, 3), np.uint8)
    write_video(tmp_path / "a.mp4", frames, 10, lossless=True)
    assert np.array_equal(np.stack(list(read_video(tmp_path / "a.mp4"))), frames)
