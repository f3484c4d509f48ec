"""The loop: resumed equals uninterrupted bit for bit, whatever stopped it; accumulation, validation."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from genieredux.errors import UserError
from genieredux.models.checkpoint import Section, load_model, read_tensors
from genieredux.models.types import Batch, Losses
from genieredux.runs import RunFolder
from genieredux.training import CosineConfig, Interrupted, OptimizerConfig, TrainConfig, WarmupConfig, fit
from genieredux.training.fakes import FakeData, FakeModel, FakeModelConfig
from genieredux.training.recorder import Sample

CONFIG = TrainConfig(
    batch_size=4,
    num_train_steps=12,
    save_model_every=4,
    validate_every=6,
    log_every=3,
    max_valid_size=8,
    precision="32",
    accelerator="cpu",
    tensorboard=False,
)
OPTIMIZER = OptimizerConfig(learning_rate=1e-2, warmup=WarmupConfig(0.5, 4), cosine=CosineConfig(None, 1e-3))
MEASURED = ("time", "elapsed_s", "steps_per_s", "frames_per_s", "tokens_per_s", "peak_rss_mib", "mfu")


def new_model(seed: int = 0) -> FakeModel:
    torch.manual_seed(seed)
    return FakeModel()


def train(folder: Path, cfg: TrainConfig = CONFIG, data=None, model=None, **more):
    more.setdefault("optimizer", OPTIMIZER)
    more.setdefault("validation", FakeData(seed=9))
    return fit(model or new_model(), data or FakeData(), cfg, RunFolder(folder), **more)


class Interrupting(FakeData):
    """Sends this process a signal when a batch is asked for."""

    at: tuple[int, int] = (0, 0)
    signum = signal.SIGTERM

    def batch(self, step: int, micro: int) -> Batch:
        if (step, micro) == self.at:
            os.kill(os.getpid(), self.signum)
        return super().batch(step, micro)


def interrupt_at(step: int, signum: int = signal.SIGTERM) -> Interrupting:
    data = Interrupting()
    data.at, data.signum = (step, 0), signum
    return data


def assert_same_files(one: Path, other: Path, step: int) -> None:
    for name in (f"model-{step}.pt", f"state-{step}.pt", "model-best.pt"):
        assert_same(read_tensors(one / name), read_tensors(other / name), name)


def assert_same(a, b, where: str) -> None:
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype, where
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            if key != "elapsed":
                assert_same(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}/{index}")
    else:
        assert a == b, where


def without_measurements(history: list[dict]) -> list[dict]:
    return [{key: value for key, value in record.items() if key not in MEASURED} for record in history]


# -- resume ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [{}, {"grad_accum": 3, "ema_decay": 0.9}, {"precision": "bf16", "n_data_workers": 3}],
    ids=["plain", "accumulated-and-averaged", "bf16"],
)
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, change):
    cfg = replace(CONFIG, **change)
    whole = train(tmp_path / "whole", cfg)
    with pytest.raises(Interrupted) as stopped:
        train(tmp_path / "parts", cfg, data=interrupt_at(6))
    assert stopped.value.code == 143
    assert 2 <= stopped.value.step < 12
    parts = train(tmp_path / "parts", cfg, model=new_model(seed=5))  # whatever it was built with is replaced
    assert_same_files(tmp_path / "whole", tmp_path / "parts", 12)
    assert without_measurements(whole.history) == without_measurements(parts.history)
    assert [event["event"] for event in RunFolder(tmp_path / "parts").records("interrupted", "resume")] == [
        "interrupted",
        "resume",
    ]


def test_two_runs_of_one_seed_are_equal_and_of_another_are_not(tmp_path):
    train(tmp_path / "a")
    torch.rand(7)  # global randomness outside does not reach in
    train(tmp_path / "b")
    assert_same_files(tmp_path / "a", tmp_path / "b", 12)
    train(tmp_path / "c", replace(CONFIG, seed=1))
    a, c = (load_model(tmp_path / name / "model-12.pt").state_dict["encode.weight"] for name in "ac")
    assert not torch.equal(a, c)


def test_ctrl_c_says_how_to_go_on(tmp_path, caplog):
    run = RunFolder(tmp_path, command=["/bin/genieredux", "train", "train.resume=never"])
    with pytest.raises(Interrupted) as stopped:
        fit(new_model(), interrupt_at(5, signal.SIGINT), CONFIG, run, optimizer=OPTIMIZER)
    assert stopped.value.code == 130
    assert stopped.value.command == "genieredux train"
    assert "go on with: genieredux train" in caplog.text
    assert (tmp_path / f"model-{stopped.value.step}.pt").is_file()


KILLED = """
import sys, torch
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1]).parent))
from genieredux.runs import RunFolder
from genieredux.training import OptimizerConfig, WarmupConfig, CosineConfig, TrainConfig, fit
from genieredux.training.fakes import FakeData, FakeModel
torch.manual_seed(0)
cfg = TrainConfig(batch_size=4, num_train_steps=100000, save_model_every=2, validate_every=6, log_every=3,
                  max_valid_size=8, precision="32", accelerator="cpu", tensorboard=False)
optimizer = OptimizerConfig(learning_rate=1e-2, warmup=WarmupConfig(0.5, 4), cosine=CosineConfig(1000, 1e-3))
fit(FakeModel(), FakeData(), cfg, RunFolder(sys.argv[1]), optimizer=optimizer, validation=FakeData(seed=9))
"""


def test_kill_dash_nine_loses_only_the_steps_since_the_last_checkpoint(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "killed")],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "killed").glob("model-*8.pt")) and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    saved = max(int(p.stem.split("-")[1]) for p in (tmp_path / "killed").glob("model-[0-9]*.pt"))
    assert saved >= 8
    cfg = replace(CONFIG, num_train_steps=saved + 6, save_model_every=2)
    optimizer = replace(OPTIMIZER, cosine=CosineConfig(1000, 1e-3))
    train(tmp_path / "killed", cfg, optimizer=optimizer)
    train(tmp_path / "whole", cfg, optimizer=optimizer)
    assert_same_files(tmp_path / "killed", tmp_path / "whole", saved + 6)
    assert not list((tmp_path / "killed").glob(".*unfinished*"))


def test_a_finished_run_says_so_and_trains_nothing(tmp_path, caplog):
    first = train(tmp_path)
    before = (tmp_path / "model-12.pt").read_bytes()
    again = train(tmp_path)
    assert again.already_finished
    assert (again.model_path, again.best_path, again.last_step) == (first.model_path, first.best_path, 12)
    assert again.history == first.history
    assert "is finished (step 12 of 12)" in caplog.text
    assert (tmp_path / "model-12.pt").read_bytes() == before


def test_a_finished_run_goes_on_when_given_more_steps(tmp_path):
    train(tmp_path)
    assert train(tmp_path, replace(CONFIG, num_train_steps=16)).last_step == 16


def test_resume_never_and_by_path(tmp_path):
    train(tmp_path / "a")
    with pytest.raises(UserError, match="already has checkpoints"):
        train(tmp_path / "a", replace(CONFIG, resume="never"))
    train(tmp_path / "b", replace(CONFIG, resume=str(tmp_path / "a" / "model-8.pt")))
    a, b = (read_tensors(tmp_path / name / "model-12.pt") for name in "ab")
    assert_same(a, b, "model")


def test_another_model_configuration_is_named(tmp_path):
    train(tmp_path)
    other = FakeModel(FakeModelConfig(width=32))
    with pytest.raises(UserError, match="was trained with width=16 but the configuration says 32"):
        train(tmp_path, replace(CONFIG, num_train_steps=20), model=other)


def test_another_recipe_goes_on_with_a_warning(tmp_path, caplog):
    train(tmp_path)
    train(tmp_path, replace(CONFIG, num_train_steps=14, seed=3))
    assert "was begun with {'seed': 0}" in caplog.text


def test_settings_of_the_optimizer_can_change_on_resume(tmp_path):
    train(tmp_path)
    train(tmp_path, replace(CONFIG, num_train_steps=14), optimizer=replace(OPTIMIZER, weight_decay=0.5))
    groups = read_tensors(tmp_path / "state-14.pt")["values"]["optimizer"]["param_groups"]
    assert groups[0]["weight_decay"] == 0.5


def test_keep_last(tmp_path):
    train(tmp_path, replace(CONFIG, save_model_every=1, keep_last=2))
    assert sorted(p.name for p in tmp_path.glob("*.pt")) == [
        "model-11.pt",
        "model-12.pt",
        "model-best.pt",
        "state-11.pt",
        "state-12.pt",
    ]


# -- one step ----------------------------------------------------------------------------------------------


@dataclass
class LinearConfig:
    scale: float = 1.0


class Linear(nn.Module):
    """Its gradient is the mean of what the batch says."""

    kind = "linear"

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.config = LinearConfig(scale)
        self.weight = nn.Parameter(torch.zeros(3))

    def forward(self, batch: Batch, generator: torch.Generator) -> Losses:
        total = self.config.scale * (self.weight * batch.frames.mean((0, 1, 3, 4))).sum()
        return Losses(total, {})


@dataclass
class Split:
    """The clips of FakeData(batch_size 4) in `parts` micro-batches."""

    parts: int
    spoil: int = 0

    def batch(self, step: int, micro: int) -> Batch:
        frames = FakeData(batch_size=4).batch(step, 0).frames.float() / 255
        if step == self.spoil:
            frames = frames * float("nan")
        size = 4 // self.parts
        return Batch(frames=frames[micro * size : (micro + 1) * size])


def test_micro_batches_equal_one_batch_and_are_clipped_once(tmp_path):
    weights, norms = [], []
    for parts in (1, 4):
        model = Linear(scale=100.0)  # the clip, at norm 10, is in force
        cfg = replace(CONFIG, grad_accum=parts, batch_size=4 // parts, num_train_steps=3, log_every=1)
        result = train(tmp_path / str(parts), cfg, Split(parts), model, validation=None)
        weights.append(model.weight.detach().clone())
        norms.append([record["grad_norm"] for record in result.history if record["event"] == "train"])
    assert torch.allclose(weights[0], weights[1], atol=1e-7)
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)
    assert min(norms[0]) > 10  # what is logged is the norm before clipping, of the whole step


def test_a_loss_that_is_not_a_number_names_its_step(tmp_path):
    cfg = replace(CONFIG, save_model_every=1)
    with pytest.raises(UserError, match="not finite at step 5"):
        train(tmp_path, cfg, Split(1, spoil=5), Linear(), validation=None)
    assert max(int(p.stem.split("-")[1]) for p in tmp_path.glob("model-*.pt")) == 4


def test_the_rate_of_each_step_is_logged(tmp_path):
    result = train(tmp_path, replace(CONFIG, log_every=1))
    rates = [record["lr"] for record in result.history if record["event"] == "train"]
    assert rates[0] == pytest.approx(5e-3)  # the first update uses the start of the warm-up
    assert max(rates) == pytest.approx(1e-2)
    assert rates[-1] < 2e-3


def test_losses_fall_and_are_logged_by_part(tmp_path):
    result = train(tmp_path, replace(CONFIG, num_train_steps=60))
    losses = [record for record in result.history if record["event"] == "train"]
    assert losses[-1]["loss"] < 0.5 * losses[0]["loss"]
    assert {"reconstruction", "commitment", "grad_norm", "lr", "steps_per_s", "frames_per_s"} <= losses[0].keys()


# -- validation, samples, what a checkpoint holds ----------------------------------------------------------


def test_validation_disturbs_nothing(tmp_path):
    train(tmp_path / "often", replace(CONFIG, validate_every=1))
    train(tmp_path / "once", replace(CONFIG, validate_every=12))
    often, once = (read_tensors(tmp_path / name / "model-12.pt") for name in ("often", "once"))
    assert_same(often, once, "model")


def test_best_is_the_lowest_validation_loss(tmp_path):
    diverging = OptimizerConfig(learning_rate=0.3, warmup=WarmupConfig(0.01, 12), cosine=CosineConfig(1000, 0.3))
    result = train(tmp_path, replace(CONFIG, validate_every=1), optimizer=diverging)
    losses = {record["step"]: record["loss"] for record in result.history if record["event"] == "validate"}
    assert load_model(result.best_path).step == min(losses, key=losses.get)
    assert result.best_path.name == "model-best.pt"


def test_without_validation_the_best_is_the_last(tmp_path):
    result = train(tmp_path, validation=None)
    assert result.best_path == result.model_path == tmp_path / "model-12.pt"


def test_samples_see_the_averaged_model_in_evaluation_mode(tmp_path):
    seen = []

    def sample(model: nn.Module, step: int) -> Sample:
        seen.append((step, model.training, {k: v.clone() for k, v in model.state_dict().items()}))
        torch.rand(3)
        red = np.zeros((8, 8, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
        return Sample({"psnr": 20.0 + step}, {"still": red, "film": np.stack([red, red])})

    model = new_model()
    model.decode.eval()  # a frozen part keeps its mode

    def keep_frozen(mode: bool = True) -> FakeModel:
        FakeModel.train(model, mode)
        model.decode.training = False
        return model

    model.train = keep_frozen
    result = train(tmp_path, replace(CONFIG, ema_decay=0.9), model=model, on_sample=sample)
    assert [(step, training) for step, training, _ in seen] == [(6, False), (12, False)]
    assert model.training
    assert not model.decode.training
    saved = load_model(result.model_path).state_dict
    assert torch.equal(saved["encode.weight"], seen[-1][2]["encode.weight"])
    assert not torch.equal(saved["encode.weight"], model.encode.weight)
    assert [r["psnr"] for r in result.history if r["event"] == "sample"] == [26.0, 32.0]
    written = sorted(path.name for path in (tmp_path / "media").iterdir())
    assert written == ["film-12.gif", "film-6.gif", "still-12.png", "still-6.png"]
    with Image.open(tmp_path / "media/still-6.png") as picture:
        assert picture.getpixel((3, 3)) == (255, 0, 0)


def test_a_checkpoint_carries_sections_and_metadata(tmp_path):
    tokenizer = Section("tokenizer", {"codes": 2}, {"w": torch.ones(2)})
    result = train(
        tmp_path,
        sections=lambda: {"tokenizer": tokenizer},
        metadata={"action_names": ["LEFT"]},
        validation=None,
    )
    data = load_model(result.model_path, expect="fake")
    assert (data.step, data.metadata) == (12, {"action_names": ["LEFT"]})
    assert torch.equal(data.section("tokenizer").state_dict["w"], torch.ones(2))
    model = FakeModel(FakeModelConfig(**data.config))
    model.load_state_dict(data.state_dict)


def test_tensorboard_and_log(tmp_path):
    train(tmp_path, replace(CONFIG, tensorboard=True))
    assert list((tmp_path / "tensorboard").glob("events*"))
    assert (tmp_path / "environment.json").is_file()
    assert RunFolder(tmp_path).records()[0]["event"] == "start"


# -- time --------------------------------------------------------------------------------------------------


class Slow(FakeData):
    def batch(self, step: int, micro: int) -> Batch:
        time.sleep(0.02)
        return super().batch(step, micro)


def test_a_time_limit_ends_the_run_at_the_lowest_rate(tmp_path):
    cfg = replace(CONFIG, num_train_steps=10**6, time_limit_s=1.0, schedule="time", log_every=1, validate_every=10**6)
    optimizer = OptimizerConfig(1e-2, warmup=WarmupConfig(0.5, 10), cosine=CosineConfig(90, 1e-3))
    began = time.monotonic()
    result = train(tmp_path, cfg, Slow(), optimizer=optimizer)
    assert time.monotonic() - began < 5
    assert result.seconds >= 1.0
    rates = [record["lr"] for record in result.history if record["event"] == "train"]
    assert max(rates) > 8e-3
    assert rates[-1] == pytest.approx(1e-3, rel=0.3)
    assert train(tmp_path, cfg, Slow(), optimizer=optimizer).already_finished
    longer = replace(cfg, time_limit_s=result.seconds + 0.2)
    assert train(tmp_path, longer, Slow(), optimizer=optimizer).last_step > result.last_step


def test_one_process_writes_to_a_folder(tmp_path):
    with RunFolder(tmp_path).lock(), pytest.raises(UserError, match="another process"):
        train(tmp_path)
