"""What a GPU makes of this project, in one command and a given time.

    python benchmarks/gpu.py --minutes 8                  # outputs/gpu/gpu.json, outputs/gpu/coinrun.pt
    python benchmarks/gpu.py --minutes 1 --small          # the same from end to end at a small size, on anything

In the order of worth, and written to ROOT/gpu.json after each: steps of training at the papers' size in bf16, plain and
with compiled blocks, then with ever larger batches until memory ends, with MFU; frames a second of a cached dream and
of one_go (25 steps); the CoinRun world as `config=quickstart/canvas` has it, trained for the minutes that are left, and
its evaluation. Run again it does what is missing: what was measured stays. Everything lies in ROOT. A measurement that
fails is written down as failed, and the rest goes on; the exit code then is 1.

Nothing here asks which device it is but for the size of its memory: the calls are those of training and of worlds.
Without a GPU the small size is taken. Small figures say that it works, not how fast anything is.
"""

import argparse
import contextlib
import dataclasses
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from genieredux.cli.main import run as command
from genieredux.models.build import build_model
from genieredux.models.sampling import Sampling
from genieredux.models.types import Batch
from genieredux.models.world.model import WorldModel
from genieredux.nn.precision import autocast
from genieredux.runs.environment import describe_environment
from genieredux.runs.files import write_text
from genieredux.training import OptimizerConfig
from genieredux.training.loop.optimizer import build_optimizer
from genieredux.training.machine.flops import flops_per_clip, matmul_ceiling
from genieredux.training.machine.memory import compile_blocks

ACTIONS = ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP")
CODES = 1024
KINDS = ("tokenizer", "genie_redux_guided", "latent_action_model", "genie_redux")
MAX_WEIGHTS = 16 << 20
"""Bytes of the world's file, at the most."""
STEPS_UNTIL, DREAMS_UNTIL, TRAINED_UNTIL = 0.45, 0.6, 0.85
"""Shares of the time: no step of training is begun after the first, no dream after the second, and the world's training
ends at the third."""


@dataclasses.dataclass(frozen=True)
class Size:
    """How large everything is. model: settings of space-time models. batch: clips at the most. steps: timed of each
    measurement. data, train, evaluate: words for the commands."""

    model: dict[str, Any]
    frames: int
    batch: int
    steps: int
    predicted: int
    refinements: int
    dreams: tuple[int, ...]
    data: tuple[str, ...]
    train: tuple[str, ...]
    evaluate: tuple[str, ...]


FULL = Size({}, 16, 1024, 8, 10, 25, (1, 16, 64), (), ("train.num_train_steps=20000",), ("eval.num_clips=64",))
SMALL = Size(
    {"dim": 32, "blocks": 1, "heads": 2, "dim_head": 16},
    *(4, 2, 2, 2, 3, (1, 2)),
    data=(
        "config.connector.generator_config.n_steps_max=40",
        "config.connector.splits=[{name: train, variant: random, start_level: 0, n_instances: 4, n_frames: 160}, "
        "{name: test.random, variant: random, start_level: 200000, n_instances: 2, n_frames: 80}]",
    ),
    train=("train.batch_size=2", "train.num_frames=8", "train.num_train_steps=3", "train.max_valid_size=2"),
    evaluate=("eval.num_clips=2", "eval.resamples=20", "eval.keep_clips=1", "eval.keep_extremes=0"),
)


class Record:
    """ROOT/gpu.json: every measurement by its name, and what failed."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self._path = path
        old = json.loads(path.read_text()) if path.exists() else {}
        if old and old["about"] != about:
            sys.exit(f"{path} is of {old['about']}, not of {about}; give another --root")
        self.measured: dict[str, Any] = old.get("measured", {})
        self.failed: dict[str, str] = {}
        self._about = about

    def take(self, name: str, work: Callable[[], Any]) -> Any:
        """What `work` gives, unless it was measured before; None where it fails."""
        if name in self.measured:
            return self.measured[name]
        print(f"{name} ...", flush=True)
        try:
            self.measured[name] = work()
        except (Exception, SystemExit) as error:  # noqa: BLE001  the rest is worth having whatever broke
            self.failed[name] = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        self._write()
        print(f"  {self.measured.get(name, self.failed.get(name))}", flush=True)
        return self.measured.get(name)

    def _write(self) -> None:
        whole = {"about": self._about, "measured": self.measured, "failed": self.failed}
        write_text(self._path, json.dumps(whole, indent=1) + "\n")


# -- steps of training ---------------------------------------------------------------------------------------


def make(kind: str, size: Size, device: torch.device) -> nn.Module:
    """An untrained model of `kind` on `device`."""
    torch.manual_seed(0)
    tokenizer: Any = (
        build_model("tokenizer", {"architecture": "conv", "codebook_size": CODES})
        if kind.startswith("genie_redux")
        else None
    )
    video = {"architecture": "st_vivit", **size.model}
    dynamics = {"architecture": "st_maskgit", **size.model}
    settings: dict[str, Any] = {
        "tokenizer": video,
        "latent_action_model": video,
        "genie_redux_guided": dynamics,
        "genie_redux": {"lam": video, "dynamics": {**dynamics, "conditioning": "add"}},
    }[kind]
    return build_model(kind, settings, tokenizer=tokenizer, action_names=ACTIONS).to(device)


def clips(count: int, frames: int, device: torch.device) -> Batch:
    """Random ones: a step does the same work on any values."""
    generator = torch.Generator().manual_seed(0)
    return Batch(
        frames=torch.rand(count, frames, 3, 64, 64, generator=generator),
        tokens=torch.randint(CODES, (count, frames, 16, 16), generator=generator),
        actions=torch.randint(len(ACTIONS), (count, frames - 1), generator=generator),
    ).to(device)


def train_steps(kind: str, size: Size, device: torch.device, batch_size: int, compiled: bool) -> dict[str, Any]:
    """Seconds of a whole step in bf16, MFU and peak memory."""
    model, batch = make(kind, size, device).train(), clips(batch_size, size.frames, device)
    flops = flops_per_clip(model, batch, "bf16") * batch_size
    if compiled:
        compile_blocks(model)
    optimizer = build_optimizer(model, OptimizerConfig())
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    times = []
    for _ in range(3 + size.steps):  # the first allocate, choose kernels, compile
        began = time.perf_counter()
        with autocast("bf16", device):
            losses = model(batch, torch.Generator(device).manual_seed(0))
        losses.total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        float(losses.total.detach())  # waits for the device
        times.append(time.perf_counter() - began)
    seconds = statistics.median(times[3:])
    return {
        "clips": batch_size,
        "step_s": seconds,
        "clips_per_s": batch_size / seconds,
        "first_step_s": times[0],
        "tflop_per_step": flops / 1e12,
        "mfu": flops / seconds / matmul_ceiling(device, "bf16"),
        "peak_gib": peak_bytes(device) / 2**30,
    }


def steps_that_fit(kind: str, size: Size, device: torch.device, batch_size: int, compiled: bool) -> dict[str, Any]:
    """`train_steps`, or that memory is too small for it."""
    try:
        return {"fits": True, **train_steps(kind, size, device, batch_size, compiled)}
    except (torch.OutOfMemoryError, RuntimeError) as error:  # a CPU's allocator has no error of its own
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            return {"fits": False, "clips": batch_size}
        raise


def peak_bytes(device: torch.device) -> int:
    """Memory at the most: of the device, or where there is no other of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


def measure_steps(record: Record, size: Size, device: torch.device, deadline: float, compile: bool) -> None:
    """Of every model: plain, with compiled blocks if `compile`, and the largest batches."""

    def measure(name: str, *arguments: Any) -> Any:
        if time.monotonic() > deadline:
            return None
        with _freed():
            return record.take(name, lambda: steps_that_fit(*arguments))

    for compiled in (False, True) if compile else (False,):
        for kind in KINDS[:2]:
            way = "compiled" if compiled else "plain"
            measure(f"train/{kind}/1/{way}", kind, size, device, 1, compiled)
    for kind in KINDS:
        batch_size, fits = 1, True
        while fits and batch_size <= size.batch:
            taken = measure(f"train/{kind}/{batch_size}/plain", kind, size, device, batch_size, False)
            fits = taken is not None and taken["fits"]
            batch_size *= 2
    for kind in KINDS[2:] if compile else ():
        measure(f"train/{kind}/1/compiled", kind, size, device, 1, True)


@contextlib.contextmanager
def _freed() -> Iterator[None]:
    """Inside, memory is as free as before the last measurement."""
    torch.compiler.reset()
    torch.cuda.empty_cache()  # nothing where there is no GPU
    yield
    torch.cuda.empty_cache()


# -- dreams --------------------------------------------------------------------------------------------------


def measure_dreams(record: Record, size: Size, device: torch.device, deadline: float) -> None:
    """Frames a second, decoded, of a world of the papers' size."""
    world = WorldModel(
        make("tokenizer", size, device).eval(),  # type: ignore[arg-type]
        make("genie_redux_guided", size, device).eval(),  # type: ignore[arg-type]
        ACTIONS,
    )
    world.use_precision("bf16")
    for dreams in size.dreams:
        if time.monotonic() < deadline:
            record.take(f"dream/{dreams}", lambda dreams=dreams: cached_dream(world, size, dreams))
    if time.monotonic() < deadline:
        record.take("one_go/1", lambda: one_go(world, size))


def cached_dream(world: WorldModel, size: Size, dreams: int) -> dict[str, float]:
    """Steps of several dreams at once."""
    prompts = torch.rand(dreams, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    dream = world.dream(prompts, torch.zeros(dreams, 1, dtype=torch.int64), 0)
    times = []
    for number in range(2 + size.predicted):
        began = time.perf_counter()
        float(dream.step(torch.full((dreams,), number % len(ACTIONS))).frames.sum())  # waits for the device
        times.append(time.perf_counter() - began)
    seconds = statistics.median(times[2:])
    return {"dreams": dreams, "frames_per_s": dreams / seconds, "step_s": seconds, "slowest_s": max(times[2:])}


def one_go(world: WorldModel, size: Size) -> dict[str, float]:
    """All frames of a rollout together."""
    prompt = torch.rand(1, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    actions = torch.zeros(1, 1 + size.predicted, dtype=torch.int64)
    sampling = Sampling(steps=size.refinements, method="one_go", window=16)
    times = []
    for _ in range(2):
        began = time.perf_counter()
        float(world.rollout(prompt, actions, sampling=sampling).frames.sum())
        times.append(time.perf_counter() - began)
    return {"frames": size.predicted, "steps": size.refinements, "frames_per_s": size.predicted / times[1]}


# -- the world -----------------------------------------------------------------------------------------------


def make_world(root: Path, size: Size, seconds: float) -> dict[str, Any]:
    """Data, a training of so many seconds, the file, its evaluation."""
    where = [f"train.dataset_root_dpath={root / 'datasets'}", "train.dataset_name=coinrun_v0.0.0"]
    began = time.monotonic()
    _run("generate", "config=quickstart/coinrun", f"root={root / 'datasets'}", *size.data)
    limit = max(5.0, seconds - (time.monotonic() - began))
    _run(
        *("genie_redux", "train", "config=quickstart/canvas", f"checkpoints_dpath={root / 'checkpoints'}", *where),
        *("train.schedule=time", f"train.time_limit_s={limit:.0f}", *size.train),
    )
    folder = root / "checkpoints" / "genie_redux_guided" / "canvas"
    newest = max(folder.glob("model-[0-9]*.pt"), key=lambda path: int(path.stem.partition("-")[2]))
    if newest.stat().st_size > MAX_WEIGHTS:
        raise ValueError(f"{newest} has {newest.stat().st_size} bytes, more than {MAX_WEIGHTS}")
    shutil.copyfile(newest, root / "coinrun.pt")
    _run(
        *("genie_redux", "eval", f"eval.model_fpath={newest}", f"eval.save_root_dpath={root / 'results'}", *where),
        *("eval.metrics=[]", *size.evaluate),
    )
    (file,) = (root / "results").rglob("results.json")
    results = json.loads(file.read_text())
    sets = {name: found for name, found in results.items() if isinstance(found, dict) and "compare_at" in found}
    return {
        "updates": int(newest.stem.partition("-")[2]),
        "trained_s": limit,
        "results": str(file.relative_to(root)),
        **{key: {name: found[key] for name, found in sets.items()} for key in ("gain", "delta_psnr")},
    }


def _run(*words: str) -> None:
    if command(words):
        raise RuntimeError(f"failed: genieredux {' '.join(words)}")


def main(words: list[str] | None = None) -> int:
    """Everything that there is time for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="of everything together")
    parser.add_argument("--root", type=Path, default=Path("outputs/gpu"), help="the folder of everything it writes")
    parser.add_argument("--small", action="store_true", help="a small size, which shows that it works")
    parser.add_argument("--no-compile", action="store_true", help="nothing compiled: a CPU takes minutes for that")
    options = parser.parse_args(words)
    if not 0 < options.minutes <= 24 * 60:
        parser.error(f"--minutes is {options.minutes:g}; give more than 0 and at most a day")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    small = options.small or device.type == "cpu"
    size, root = SMALL if small else FULL, options.root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    began, seconds = time.monotonic(), 60 * options.minutes
    hardware = describe_environment()["hardware"]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else hardware["cpu"]
    record = Record(root / "gpu.json", {"device": name, "torch": torch.__version__, "small": small})
    measure_steps(record, size, device, began + STEPS_UNTIL * seconds, not options.no_compile)
    if time.monotonic() < began + DREAMS_UNTIL * seconds:
        measure_dreams(record, size, device, began + DREAMS_UNTIL * seconds)
    left = began + TRAINED_UNTIL * seconds - time.monotonic()
    record.take("world", lambda: make_world(root, size, left))
    print(f"{root / 'gpu.json'}: {len(record.measured)} measured, {len(record.failed)} failed")
    return 1 if record.failed else 0


if __name__ == "__main__":
    sys.exit(main())
