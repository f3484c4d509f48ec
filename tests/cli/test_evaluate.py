"""`genie_redux eval` as a user writes it: presets, other names of keys, the README's spellings, bad words."""

from pathlib import Path

import pytest

from genieredux.cli.compose import compose_config
from genieredux.cli.main import run
from genieredux.cli.schemas import GenieReduxCommand
from genieredux.errors import UserError


def configuration(*words: str) -> GenieReduxCommand:
    return compose_config("genie_redux", GenieReduxCommand, list(words))


def test_the_protocol_of_the_papers() -> None:
    found = configuration("eval=papers").eval
    assert (found.prompt_frames, found.horizon, found.seq_step, found.clip_length) == (2, 10, 20, 12)
    assert (found.compare_at, found.inference_steps, found.dream_length) == (4, 25, 2)
    assert (found.choice, found.temperature, found.eval_control) == ("mode", 1.0, True)
    assert found.decided == "published"
    assert configuration().eval.decided is None


def test_a_word_goes_before_the_preset_and_the_preset_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "configs" / "genie_redux" / "config"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("# @package _global_\neval: {inference_steps: 3, seq_step: 16, num_clips: 9}\n")
    monkeypatch.chdir(tmp_path)
    assert configuration("config=mine").eval.seq_step == 16
    found = configuration("eval=papers", "config=mine", "eval.inference_steps=7").eval
    assert (found.inference_steps, found.seq_step, found.num_clips) == (7, 20, 9)


def test_a_protocol_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "configs" / "genie_redux" / "eval"
    folder.mkdir(parents=True)
    (folder / "short.yaml").write_text("sample_num_frames: 5\n")
    monkeypatch.chdir(tmp_path)
    assert configuration("eval=short").eval.horizon == 5


def test_keys_by_either_name() -> None:
    found = configuration("eval.horizon=6", "eval.prompt_frames=3", "+eval.compare_at=2").eval
    assert (found.horizon, found.prompt_frames, found.compare_at) == (6, 3, 2)
    assert configuration("eval=papers", "eval.sample_num_frames=6").eval.horizon == 6


def test_the_words_of_the_published_readme() -> None:
    words = ["--eval.action_to_take=0", "--eval.model_path=a.pt", "--eval.inference_method=one_go"]
    found = configuration("--config=tokenizer.yaml", *words)
    assert (found.eval.action_to_take, found.eval.model_fpath, found.eval.inference_method) == (0, "a.pt", "one_go")
    words = ["eval.action_to_take=-1", "eval.model_fpath=a.pt", "eval.enable_cache=true", "model_path=b.pt"]
    found = configuration(*words)
    assert (found.eval.action_to_take, found.eval.enable_cache, found.model_fpath) == (-1, True, "b.pt")
    assert configuration("eval.action_to_take=RIGHT").eval.action_to_take == "RIGHT"
    for word, value in {"yes": True, "no": False, "true": True, "false": False}.items():
        assert configuration(f"eval.eval_control={word}").eval.eval_control is value  # "no" is no longer true


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("eval=paper", r"no eval preset 'paper' .*nearest: papers"),
        ("eval.horison=3", r"did you mean 'eval.horizon'"),
        ("eval.inference_method=one_goo", r"choose one of one_go, autoregressive"),
        ("eval.eval_control=maybe", r"it must be true or false"),
        ("eval.metrics=[FOD]", r"eval.metrics is 'FOD'; did you mean F"),
        ("eval.horizon=0", r"eval.horizon is 0; it must be from 1 to"),
        ("eval.networks.fid_resize=cubic", r"fid_resize is 'cubic'"),
    ],
)
def test_what_is_wrong_is_named(word: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        configuration(word)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["eval.model_fpath=nothing.pt"], "no data set here"),
        (["--mode=train"], "--mode=train contradicts genie_redux eval"),
        (["model_path=nothing.pt", "eval.dataset_name=none"], "datasets/none: no data set here"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["genie_redux", "eval", *words]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert expected in message
    assert not list(tmp_path.rglob("*"))
