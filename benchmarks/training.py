"""Steps a second, where the time of a step goes, and peak memory of training one model.

    python benchmarks/training.py            # the stand-in model: what the loop itself costs
    python benchmarks/training.py --model genieredux.models.tokenizers.st_vivit:STViViT \\
        --set dim=128 blocks=4 patch_size=8 --batch 8 --frames 16 --precision bf16
    python benchmarks/training.py --model tokenizer --set architecture=conv --batch 32 --frames 1
    python benchmarks/training.py --model genie_redux_guided --tokens 16x16 --codes 512 --batch 2

    python benchmarks/training.py --compare --model tokenizer --set dim=128 blocks=2 patch_size=8 --batch 2

--compare takes steps with each option of training in turn (bf16, torch.compile, activation checkpointing, averaged
weights) and prints the time of each over the plain float32 step's, with how many values are kept for the backward pass.
--model names a kind (models/build.py) or a class with a `<Class>Config` beside it; both take the values of --set.
Prints one JSON object. Peak memory is that of the process, so measure one model a call. Data are random: a step does
the same work on any values.
"""

import argparse
import ast
import dataclasses
import importlib
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from genieredux.models.build import KINDS, build_model
from genieredux.models.types import Batch
from genieredux.nn.precision import autocast, choose_precision
from genieredux.runs import RunFolder
from genieredux.training import Assembled, OptimizerConfig, TrainConfig, fit
from genieredux.training.loop.ema import WeightAverage
from genieredux.training.loop.optimizer import build_optimizer
from genieredux.training.machine.memory import checkpoint_blocks, compile_blocks


@dataclass(frozen=True)
class RandomData:
    """Clips of random frames, or of random tokens when `grid` is given."""

    batch_size: int
    frames: int
    size: int
    actions: int
    grid: tuple[int, int] | None
    codes: int

    def batch(self, k: int) -> Batch:
        g = torch.Generator().manual_seed(k)
        clip = (self.batch_size, self.frames)
        actions = torch.randint(self.actions, (self.batch_size, self.frames - 1), generator=g)
        if self.grid:
            return Batch(tokens=torch.randint(self.codes, (*clip, *self.grid), generator=g), actions=actions)
        frames = torch.randint(256, (*clip, 3, self.size, self.size), generator=g, dtype=torch.uint8)
        return Batch(frames=frames, actions=actions)


def make_model(path: str, values: dict[str, Any], codes: int, actions: int) -> nn.Module:
    if path in KINDS:
        tokenizer = build_model("tokenizer", {"architecture": "conv", "codebook_size": codes})
        return build_model(path, values, tokenizer=tokenizer, action_names=[str(k) for k in range(actions)])
    module_name, _, name = path.partition(":")
    module = importlib.import_module(module_name)
    target = getattr(module, name)
    config = getattr(module, f"{name}Config", None)
    if config is not None and dataclasses.is_dataclass(config):
        return target(config(**values))
    return target(**values)


def time_parts(model: nn.Module, data: RandomData, precision: str, steps: int) -> dict[str, float]:
    """Median milliseconds of the parts of a step, without the loop around it."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device).train()
    optimizer = build_optimizer(model, OptimizerConfig())
    spent: dict[str, list[float]] = {}

    def lap(name: str, since: float) -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        spent.setdefault(name, []).append(1000 * (now - since))
        return now

    for step in range(steps + 2):
        if step == 2:
            spent.clear()  # the first two steps allocate and choose kernels
        at = time.perf_counter()
        batch = data.batch(step).to(device)
        at = lap("data_ms", at)
        with autocast(precision, device):
            losses = model(batch, torch.Generator(device).manual_seed(step))
        at = lap("forward_ms", at)
        losses.total.backward()
        at = lap("backward_ms", at)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        lap("optimizer_ms", at)
    return {name: round(statistics.median(times), 2) for name, times in spent.items()}


def time_loop(model: nn.Module, data: RandomData, precision: str, steps: int) -> dict[str, float]:
    """Steps a second of `fit`, with its log but without validation."""
    warm = 3
    cfg = TrainConfig(
        num_train_steps=steps + warm,
        batch_size=data.batch_size,
        precision=precision,
        log_every=1,
        save_model_every=10**9,
        tensorboard=False,
    )
    with tempfile.TemporaryDirectory() as folder:
        result = fit(Assembled(model, data), cfg, RunFolder(Path(folder) / "run"))
    logged = [record for record in result.history if record["event"] == "train"][warm:]
    rate = 1 / statistics.median(1 / record["steps_per_s"] for record in logged)
    return {"steps_per_s": round(rate, 3), "frames_per_s": round(rate * data.batch_size * data.frames, 1)}


OPTIONS = ("plain", "bf16", "activation_checkpointing", "averaged", "compile")


class Variant:
    """A model that is trained with one option."""

    def __init__(self, name: str, model: nn.Module) -> None:
        self.name, self.model = name, model.train()
        self.precision = "bf16" if name == "bf16" else "32"
        if name == "activation_checkpointing":
            checkpoint_blocks(model)
        if name == "compile":
            compile_blocks(model)
        self.average = WeightAverage(model, 0.999) if name == "averaged" else None
        self.optimizer = build_optimizer(model, OptimizerConfig())
        self.seconds: list[float] = []

    def step(self, batch: Batch) -> float:
        """Seconds of one update."""
        began = time.perf_counter()
        self._losses(batch).backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.update()
        return time.perf_counter() - began

    def kept(self, batch: Batch) -> int:
        """Values that a forward pass keeps for the backward one."""
        total = 0

        def count(value: torch.Tensor) -> torch.Tensor:
            nonlocal total
            total += value.numel()
            return value

        with torch.autograd.graph.saved_tensors_hooks(count, lambda value: value):
            self._losses(batch)
        return total

    def _losses(self, batch: Batch) -> torch.Tensor:
        device = next(self.model.parameters()).device
        with autocast(self.precision, device):
            losses = self.model(batch, torch.Generator(device).manual_seed(0))
        return losses.total


def compare_options(make: Callable[[], nn.Module], data: RandomData, steps: int, options: list[str]) -> dict[str, Any]:
    """Median seconds of a step with each option, taken in turn, and their ratios to the plain one."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    variants = []
    for name in options:
        torch.manual_seed(0)
        variants.append(Variant(name, make().to(device)))
    batch = data.batch(0).to(device)
    for round_number in range(steps + 2):
        for variant in variants:
            seconds = variant.step(batch)
            if device.type == "cuda":
                torch.cuda.synchronize()
            if round_number >= 2:
                variant.seconds.append(seconds)
    median = {variant.name: statistics.median(variant.seconds) for variant in variants}
    kept = {variant.name: variant.kept(batch) for variant in variants if variant.name != "compile"}
    return {
        "seconds": {name: round(value, 4) for name, value in median.items()},
        "time_over_plain": {name: round(value / median["plain"], 3) for name, value in median.items()},
        "kept_over_plain": {name: round(value / kept["plain"], 3) for name, value in kept.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="genieredux.training.fakes:FakeModel")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="values of the model's config")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--actions", type=int, default=5)
    parser.add_argument("--tokens", metavar="HxW", help="train on tokens of this grid instead of frames")
    parser.add_argument("--codes", type=int, default=1024)
    parser.add_argument("--precision", default="auto", choices=("auto", "32", "bf16"))
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, help="threads of torch (default: its own choice)")
    parser.add_argument("--compare", nargs="*", choices=OPTIONS[1:], help="options to compare (none named: all)")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    values = dict(item.split("=", 1) for item in args.set)
    settings = {key: _value(text) for key, text in values.items()}

    def make() -> nn.Module:
        return make_model(args.model, settings, args.codes, args.actions)

    rows, _, columns = (args.tokens or "").partition("x")
    grid = (int(rows), int(columns)) if args.tokens else None
    data = RandomData(args.batch, args.frames, args.size, args.actions, grid, args.codes)
    if args.compare is not None:
        options = ["plain", *(args.compare or OPTIONS[1:])]
        compared = compare_options(make, data, args.steps, options)
        print(
            json.dumps(
                {"model": args.model, "config": values, "threads": torch.get_num_threads(), **compared}, indent=2
            )
        )
        return
    torch.manual_seed(0)
    model = make()
    precision = choose_precision(args.precision, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    report = {
        "model": args.model,
        "config": values,
        "parameters": sum(p.numel() for p in model.parameters()),
        "batch": [args.batch, args.frames],
        "precision": precision,
        "threads": torch.get_num_threads(),
        **time_parts(model, data, precision, args.steps),
        **time_loop(model, data, precision, args.steps),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(report, indent=2))


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


if __name__ == "__main__":
    main()
