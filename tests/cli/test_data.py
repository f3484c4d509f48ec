"""`genieredux data` as a user meets it: help, bad input, and data in, out and in again."""

import json
from pathlib import Path

import numpy as np
import pytest

from genieredux.cli.data import ACTIONS, data
from genieredux.cli.main import run
from genieredux.cli.words import options
from genieredux.episodes import Dataset
from genieredux.episodes.fake import ACTION_NAMES, fake_dataset, fake_episode
from genieredux.episodes.interchange import ExportConfig, VideoConfig
from genieredux.errors import UserError
from genieredux.pictures import write_video


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    for seed in range(3):
        write_video(folder / f"{seed}.mp4", fake_episode(24, seed, 16).frames, 10, lossless=True)
    return folder


def test_help_names_every_action_and_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    data(["--help"])
    said = capsys.readouterr().out
    assert all(f"  {name} {action.usage}" in said for name, action in ACTIONS.items())
    data(["import-videos", "--help"])
    said = capsys.readouterr().out
    assert "  frame_skip=1 " in said
    assert "Take every n-th frame" in said
    assert "  folder" not in said  # it is the path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "data takes an action, one of info, compact"),
        (["inform", "x"], "has no 'inform'"),
        (["info"], "the command is: data info PATH"),
        (["info", "x", "y"], "the command is: data info PATH"),
        (["info", "x", "fps=3"], "the command is: data info PATH"),
        (["info", "x"], "no data set here"),
        (["convert", "x"], "x: no such folder"),
        (["convert", "x", "damged=skip"], "did you mean 'damaged'"),
        (["convert", "x", "damaged=maybe"], "choose one of skip, stop"),
        (["convert", "x", "test=0.1", "test=0.2"], "test is given twice"),
        (["convert", "x", "source=y"], "source is given twice"),
        (["import-videos", "x"], "name is missing; add name=..."),
        (["import-videos", "x", "name=a", "fps=soon"], "fps is 'soon'; it must be a number"),
        (["import-videos", "x", "name=a", "fps=[1"], "cannot read 'fps=[1'"),
        (["export", "x", "out=y"], "format is missing"),
        (["export", "x", "format=avi", "out=y"], "choose one of minari, lerobot, mp4"),
        (["export", "x", "format=mp4", "out=y"], "no data set here"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(words: list[str], expected: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        data(words)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_options_are_typed_as_their_fields_are() -> None:
    made = options(VideoConfig, ["name=2024_01", "fps=12", "root=1e3", "test=0"], folder="films")
    assert (made.name, made.fps, made.root, made.test) == ("2024_01", 12.0, "1e3", 0.0)
    made = options(VideoConfig, ["name=x", "actions=7", "action_names=[A,B]"], folder="films")
    assert (made.actions, made.action_names) == ("7", ("A", "B"))
    assert options(VideoConfig, ["name=x", "actions=null"], folder="f").actions is None
    assert options(ExportConfig, ["format=mp4", "out=a=b", "lossless=true"], path="x").out == "a=b"


def test_videos_with_actions_go_in_out_and_in_again(
    films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    actions = {f"{seed}.mp4": [ACTION_NAMES[a] for a in fake_episode(24, seed, 16).actions] for seed in range(3)}
    (tmp_path / "actions.json").write_text(json.dumps(actions))
    data(["import-videos", "films", "name=mine", "image_size=16", "actions=actions.json"])
    assert "datasets/mine: 3 new episodes, 72 new frames; 3 episodes, 72 frames in all" in capsys.readouterr().out
    data(["info", "datasets/mine"])
    assert "JUMP" in capsys.readouterr().out
    for format in ("mp4", "lerobot"):
        data(["export", "datasets/mine", f"format={format}", f"out=exports/{format}", "lossless=true"])
        assert f"exports/{format}: 3 episodes, 72 frames" in capsys.readouterr().out
    data(["import-videos", "exports/mp4", "name=again", "image_size=16", "actions=exports/mp4"])
    mine, again = (Dataset.open(tmp_path / "datasets" / name) for name in ("mine", "again"))
    assert mine.spec.action_names == again.spec.action_names
    for i in range(3):
        assert np.array_equal(mine.frames(i), again.frames(i))
        assert np.array_equal(mine.actions(i), again.actions(i))


def test_what_is_left_out_is_said(films: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (films / "broken.mkv").write_bytes(b"nothing")
    data(["import-videos", "films", "name=mine", "image_size=16"])
    said = capsys.readouterr().out
    assert "1 left out or cut short:\n  broken.mkv: broken.mkv is damaged or no film" in said


def test_indices_and_shards_are_tended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake_dataset(tmp_path / "fake")
    for words, said in (["index"], "5 episodes in the index"), (["compact"], "5 episode files before, 1 now"):
        data([*words, "fake"])
        assert said in capsys.readouterr().out


def test_videos_without_actions_train_a_tokenizer_and_no_guided_dynamics(
    films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "import-videos", "films", "name=mine", "image_size=16"]) == 0
    train = "train.dataset_name=mine train.num_train_steps=2 train.save_model_every=2 train.validate_every=2"
    words = [*train.split(), "train.batch_size=2", "train.num_frames=4", "train.accelerator=cpu"]
    conv = "tokenizer.architecture=conv tokenizer.encoder_width=8 tokenizer.decoder_width=8 tokenizer.codebook_size=16"
    assert run(["genie_redux", "train", "model=tokenizer", *words, *conv.split()]) == 0
    (tokenizer,) = tmp_path.glob("checkpoints/tokenizer/*/model-2.pt")
    capsys.readouterr()
    guided = ["model=genie_redux_guided", f"tokenizer_fpath={tokenizer}"]
    assert run(["genie_redux", "train", *guided, *words]) == 2
    message = capsys.readouterr().err
    assert "data set 'mine' has no actions, and genie_redux_guided learns from true ones" in message
    assert not list(tmp_path.glob("datasets/mine/tokens"))
