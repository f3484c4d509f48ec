"""The published training commands, letter for letter: what they compose to, and where their files lie."""

from pathlib import Path

import pytest

from genieredux.cli.compose import compose_config, configurations
from genieredux.cli.main import run
from genieredux.cli.schemas import GenieReduxCommand
from genieredux.models.build import build_model
from genieredux.models.checkpoint import save_model
from square_data import write_square_dataset

TOKENIZER = "checkpoints/tokenizer/tokenizer/model-150000.pt"
PRETRAIN = "checkpoints/genie_redux_guided/genie_redux_guided_pretrain/model-180000.pt"
FIFTY = "checkpoints/genie_redux_guided/genie_redux_guided/model-100000.pt"

COMMANDS = {
    "tokenizer": (
        "config=tokenizer.yaml train.num_processes=6 train.batch_size=7 train.grad_accum=2",
        TOKENIZER,
        (150_000, 84, "retro_act_v0.0.0"),
    ),
    "pretrain": (
        "config=genie_redux_guided_pretrain.yaml train.num_processes=7 train.batch_size=4 train.grad_accum=3 "
        f"tokenizer_fpath={TOKENIZER}",
        PRETRAIN,
        (180_000, 84, "retro_act_v0.0.0"),
    ),
    "fifty": (
        "config=genie_redux_guided_50 train.num_processes=7 train.batch_size=4 train.grad_accum=3 "
        f"model_fpath={PRETRAIN}",
        FIFTY,
        (100_000, 84, "retro_act_v0.0.0_g50"),
    ),
    "genie_redux": (
        f"config=genie_redux train.num_processes=7 train.batch_size=3 train.grad_accum=4 tokenizer_fpath={TOKENIZER}",
        "checkpoints/genie_redux/genie_redux/model-150000.pt",
        (150_000, 84, "retro_act_v0.0.0"),
    ),
    "tokenizer_ft_smb": (
        "config=tokenizer_ft_smb.yaml train.num_processes=6 train.batch_size=7 train.grad_accum=2 "
        f"tokenizer_fpath={TOKENIZER}",
        "checkpoints/tokenizer/tokenizer_ft_smb/model-15000.pt",
        (15_000, 84, "retro_act_v0.0.0_auto_explore_smb"),
    ),
    "guided_ft_smb": (
        "config=genie_redux_guided_ft_smb train.num_processes=7 train.batch_size=4 train.grad_accum=3 "
        f"model_fpath={FIFTY} tokenizer_fpath=checkpoints/tokenizer/tokenizer_ft_smb/model-150000.pt",
        "checkpoints/genie_redux_guided/genie_redux_guided_ft_smb/model-10000.pt",
        (10_000, 84, "retro_act_v0.0.0_auto_explore_smb"),
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_published_commands(name: str) -> None:
    words, last, (steps, clips, dataset) = COMMANDS[name]
    command = compose_config("genie_redux", GenieReduxCommand, words.split())
    train = command.train
    assert f"{command.folder}/model-{train.num_train_steps}.pt" == last
    assert train.num_train_steps == steps
    assert train.batch_size * train.grad_accum * train.num_processes == clips
    assert train.dataset_name == dataset
    assert train.num_frames == 16
    optimizer = command.optimizer
    assert (optimizer.learning_rate, optimizer.betas, optimizer.weight_decay) == (1e-4, (0.9, 0.99), 1e-4)
    assert (optimizer.warmup.steps, optimizer.cosine.t_max, optimizer.cosine.eta_min) == (5000, 100_000, 5e-5)


def test_the_published_name_of_a_model_and_the_default() -> None:
    named = compose_config("genie_redux", GenieReduxCommand, ["model=genie_redux_guided_pretrain", "run_name="])
    assert named.kind == "genie_redux_guided"
    assert named.folder == Path("checkpoints/genie_redux_guided/genie_redux_guided_pretrain")
    default = compose_config("genie_redux", GenieReduxCommand, ["train.num_train_steps=10000"])
    assert default.folder == Path("checkpoints/tokenizer/tokenizer")


def test_the_published_models_have_the_papers_size() -> None:
    def count(words: list[str], **parts: object) -> int:
        command = compose_config("genie_redux", GenieReduxCommand, words)
        group = "tokenizer" if command.kind == "tokenizer" else "dynamics"
        model = build_model(command.kind, getattr(command, group), **parts)
        return sum(p.numel() for p in model.parameters())

    assert 101_000_000 < count(["config=tokenizer"]) < 102_000_000
    small = build_model("tokenizer", {"architecture": "conv", "codebook_size": 1024, "codebook_dim": 32})
    guided = count(["config=genie_redux_guided_pretrain"], tokenizer=small, action_names="ABCDE")
    assert 75_000_000 < guided < 85_000_000


@pytest.mark.parametrize("name", [n for n in configurations("genie_redux") if n.startswith("presets/")])
def test_presets_name_settings_that_exist(name: str) -> None:
    command = compose_config("genie_redux", GenieReduxCommand, [f"config={name}"])
    assert command.run_name == name.split("/")[1]
    if name.startswith("presets/base"):
        assert command.train.batch_size * command.train.grad_accum == 84
        return
    tokenizer = build_model("tokenizer", {"architecture": "conv"})
    group = {"tokenizer": "tokenizer", "latent_action_model": "lam"}.get(command.kind, "dynamics")
    config = getattr(command, group)
    if command.kind == "genie_redux":
        config = {"lam": command.lam, "dynamics": command.dynamics}
    build_model(command.kind, config, tokenizer=tokenizer, action_names="ABCDE")


def test_a_missing_file_is_one_line_that_names_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "checkpoints/tokenizer/tokenizer_ft_smb/model-15000.pt"
    save_model(there, "tokenizer", {}, {})
    words = "genie_redux train config=genie_redux_guided_ft_smb tokenizer_fpath=" + str(there).replace(
        "15000", "150000"
    )
    assert run(words.split()) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "no checkpoint at" in said[0]
    assert "model-15000.pt" in said[0]


def test_train_by_every_kind_of_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_square_dataset(tmp_path / "datasets/square", episodes=3)
    short = (
        "train.dataset_name=square train.num_train_steps=2 train.batch_size=2 train.num_frames=4 train.precision=32 "
    )
    short += "train.max_valid_size=2 train.tensorboard=false train.accelerator=cpu train.grad_accum=1 train.samples=1 "
    tokenizer = "tokenizer_fpath=checkpoints/tokenizer/tiny/model-2.pt"
    for kind, more in {
        "tokenizer": "",
        "lam": "",
        "genie_redux": f"{tokenizer} dynamics.group=2",
        "dynamics": f"{tokenizer} dynamics.group=2",
    }.items():
        assert run(f"genie_redux train config=presets/tiny/{kind} {short} {more}".split()) == 0, capsys.readouterr().err
        assert "model-2.pt (step 2)" in capsys.readouterr().out
    assert run(["genie_redux", "train", "model=dynamic"]) == 2
    assert "choose one of tokenizer, latent_action_model, genie_redux" in capsys.readouterr().err
