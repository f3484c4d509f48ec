"""What is missing is answered with the line that makes it, and the published README's lines are all understood."""

import shlex
from pathlib import Path

import pytest

from genieredux.cli.compose import compose_config
from genieredux.cli.generate import GenerateCommand
from genieredux.cli.genie_redux import SCHEMA, genie_redux, own_tokenizer
from genieredux.cli.main import run

README_LINES = """\
generate config=retro_act/pretrain
generate config=retro_act/control
generate config=retro_act/control_test
genie_redux train config=tokenizer.yaml train.num_processes=6 train.batch_size=7 train.grad_accum=2
genie_redux train config=genie_redux_guided_pretrain.yaml train.num_processes=7 train.batch_size=4 train.grad_accum=3
genie_redux train config=genie_redux_guided_50 train.num_processes=7 train.batch_size=4 train.grad_accum=3 \
model_fpath=checkpoints/genie_redux_guided/genie_redux_guided_pretrain/model-180000.pt
genie_redux train config=genie_redux train.num_processes=7 train.batch_size=3 train.grad_accum=4 \
tokenizer_fpath=checkpoints/tokenizer/tokenizer/model-150000.pt
genie_redux eval config=genie_redux_guided_50 eval.action_to_take=-1 \
eval.model_fpath=checkpoints/genie_redux_guided/genie_redux_guided/model-100000.pt eval.inference_method=one_go
genie_redux train config=tokenizer_ft_smb.yaml train.num_processes=6 train.batch_size=7 train.grad_accum=2 \
tokenizer_fpath=checkpoints/tokenizer/tokenizer/model-150000.pt
genie_redux train config=genie_redux_guided_ft_smb train.num_processes=7 train.batch_size=4 train.grad_accum=3 \
model_fpath=checkpoints/genie_redux_guided/genie_redux_guided/model-100000.pt \
tokenizer_fpath=checkpoints/tokenizer/tokenizer_ft_smb/model-150000.pt
genie_redux eval config=genie_redux_guided_ft_smb eval.action_to_take=-1 \
eval.model_fpath=checkpoints/genie_redux_guided/genie_redux_guided_ft_smb/model-10000.pt eval.inference_method=one_go
genie_redux train train.num_train_steps=10000
genie_redux train config=genie_redux tokenizer_fpath=tokenizer.pt train.dataset_root_dpath=datasets \
train.dataset_name=mine train.batch_size=2 train.num_processes=2
genie_redux eval --config=genie_redux_guided.yaml --mode=eval --eval.action_to_take=0 --eval.model_path=model.pt \
--eval.inference_method=one_go
"""
"""Every `run.py` line of the published README whose verb there is."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("line", README_LINES.splitlines())
def test_the_published_lines_are_understood(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    verb, *words = shlex.split(line)
    if verb == "generate":
        assert isinstance(compose_config("generate", GenerateCommand, words), GenerateCommand)
        return
    assert run([verb, *words]) == 2  # nothing is here, and that is all that is wrong
    said = capsys.readouterr().err
    assert any(missing in said for missing in ("no data set here", "no tokenizer at", "no checkpoint at", "is not set"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "train config=tokenizer tokenizer.codebook_size=1000000000",
            "codebook_size is 1000000000; it must be from 2 to",
        ),
        (
            "train config=quickstart/dynamics dynamics.heads=9223372036854775807",
            "dynamics.heads is 9223372036854775807",
        ),
        (
            "eval eval.model_fpath=none.pt eval.dataset_name=x eval.temperature=-5",
            "temperature is -5.0; it must be from 0",
        ),
        ("eval eval.model_fpath=none.pt eval.dataset_name=x eval.choice=meen", "did you mean mean?"),
    ],
)
def test_a_wrong_value_is_said_before_what_is_missing(
    words: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["genie_redux", *words.split()]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert expected in said[-1]
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("train config=presets/tiny/tokenizer", "generate config=quickstart/coinrun"),
        (
            "train config=latent_action_model train.dataset_name=retro_act_v0.0.0_g50",
            "generate config=retro_act/control",
        ),
        ("train config=tokenizer", "generate config=retro_act/pretrain"),
        ("train train.dataset_name=mine", "data import-videos make data sets"),
        ("eval config=presets/tiny/dynamics eval.model_fpath=a.pt", "generate config=quickstart/coinrun"),
    ],
)
def test_a_missing_data_set_names_what_makes_it(
    words: str, expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["genie_redux", *words.split()]) == 2
    said = capsys.readouterr().err
    assert "no data set here" in said
    assert expected in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["config=presets/tiny/dynamics"], "genie_redux train config=presets/tiny/tokenizer"),
        (["config=quickstart/dynamics"], "genie_redux train config=quickstart/tokenizer"),
        (["config=genie_redux"], "tokenizer_fpath is not set; .* genie_redux train config=tokenizer"),
        (["config=genie_redux", "tokenizer_fpath=mine.pt"], "no tokenizer at mine.pt; .* config=tokenizer"),
        (["config=presets/tiny/dynamics", "model_fpath=a.pt"], "a.pt"),
    ],
)
def test_a_missing_tokenizer_names_what_trains_it(words: list[str], expected: str, tmp_path: Path) -> None:
    from genieredux.episodes.fake import fake_dataset
    from genieredux.errors import UserError

    fake_dataset(tmp_path / "datasets" / "toy")
    with pytest.raises(UserError, match=expected):
        genie_redux(["train", *words, "train.dataset_name=toy"])
    assert [path.name for path in tmp_path.iterdir()] == ["datasets"]


def test_a_model_brings_its_own_tokenizer() -> None:
    words = ["config=presets/tiny/dynamics", "model_fpath=world.pt"]
    assert compose_config("genie_redux", SCHEMA, own_tokenizer(words)).tokenizer_fpath is None
    both = [*words, "tokenizer_fpath=t.pt"]
    assert compose_config("genie_redux", SCHEMA, own_tokenizer(both)).tokenizer_fpath == "t.pt"
