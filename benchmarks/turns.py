"""Two checkouts of this project against each other, in turns: which is faster, by how much, and whether their numbers
are the same.

    git worktree add /tmp/before COMMIT
    python benchmarks/turns.py --before /tmp/before --case tokenizer --precision bf16 --turns 8
    python benchmarks/turns.py --before /tmp/before --case one_go --set blocks=3

Two processes, one for each checkout's sources, do a piece of work by turns, ABBA, one thread each: whatever else runs
on the machine falls on both. Given are the median of the ratios of CPU time (before over after, of a pair of turns)
with the interval that 95 % of resampled medians lie in, that of the wall clock, the losses of all turns as exact
numbers, whether they are equal, and each process's peak memory. The cases are of the papers' size at batch 1;
--set changes settings of the model, such as fewer blocks of the same size where time or memory are short. Others are
what the demo and its users do: collection (the whole command with one worker, its CPU time included), evaluation and
dreams of the world that each side ships (`shipped`), a step of the tiny presets (`tiny_tokenizer`, `tiny_dynamics`)
and of the demo's world (`canvas`, 16 clips). This file runs with the sources of either side, so it calls only what both
have.
"""

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FRAMES, PREDICTED, STEPS, CODES = 16, 10, 25, 1024
GRID = (16, 16)
ACTIONS = ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP")
TRAININGS = {
    "tokenizer": ("tokenizer", {"architecture": "st_vivit"}),
    "lam": ("latent_action_model", {"architecture": "st_vivit"}),
    "dynamics": ("genie_redux_guided", {"architecture": "st_maskgit"}),
    "genie_redux": (
        "genie_redux",
        {"lam": {"architecture": "st_vivit"}, "dynamics": {"architecture": "st_maskgit", "conditioning": "add"}},
    ),
}
PRESETS = {
    "tiny_tokenizer": "presets/tiny/tokenizer",
    "tiny_dynamics": "presets/tiny/dynamics",
    "canvas": "quickstart/canvas",
}
CLIPS = {"canvas": 16}
"""Clips of a step where it is not one: as many as in a demo."""
GENERATIONS = ("one_go", "dream")
CASES = (*TRAININGS, *PRESETS, *GENERATIONS, "shipped", "collection", "evaluation")


def training(case: str, settings: dict[str, Any], precision: str, checkpointing: bool) -> Callable[[], str]:
    """A step of training: forward, backward, clipping, AdamW. Returns the loss."""
    import torch

    from genieredux.models.types import Batch
    from genieredux.nn.precision import autocast
    from genieredux.training import OptimizerConfig

    build_optimizer = either("build_optimizer", "genieredux.training.loop.optimizer", "genieredux.training.optimizer")
    checkpoint_blocks = either("checkpoint_blocks", "genieredux.training.machine.memory", "genieredux.training.blocks")
    kind, values = preset(PRESETS[case]) if case in PRESETS else TRAININGS[case]
    parts = [values[name] for name in ("lam", "dynamics") if name in values] or [values]
    for part in parts:
        part.update(settings)
    model = make(kind, values).train()
    if checkpointing:
        checkpoint_blocks(model)
    optimizer = build_optimizer(model, OptimizerConfig())
    generator = torch.Generator().manual_seed(0)
    clips = CLIPS.get(case, 1)
    batch = Batch(
        frames=torch.rand(clips, FRAMES, 3, 64, 64, generator=generator),
        tokens=torch.randint(CODES, (clips, FRAMES, *GRID), generator=generator),
        actions=torch.randint(len(ACTIONS), (clips, FRAMES - 1), generator=generator),
    )

    def step() -> str:
        with autocast(precision, torch.device("cpu")):
            losses = model(batch, torch.Generator().manual_seed(0))
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return losses.total.item().hex()

    return step


def generation(case: str, settings: dict[str, Any], precision: str, steps: int) -> Callable[[], str]:
    """PREDICTED frames after two: all together in `steps` refinement steps, or one after the other. Returns a digest
    of the tokens."""
    import torch

    sampling_class = either("Sampling", "genieredux.models.sampling", "genieredux.models.masking")
    world_class = either("WorldModel", "genieredux.models.world.model", "genieredux.models.world_model")
    prompt = torch.rand(1, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    actions = torch.randint(len(ACTIONS), (1, 1 + PREDICTED), generator=torch.Generator().manual_seed(0))
    world: Any
    if case == "shipped":
        world, sampling = shipped(), None
    else:
        tokenizer = make("tokenizer", {"architecture": "conv", "codebook_size": CODES, "codebook_dim": 32})
        dynamics = make("genie_redux_guided", {"architecture": "st_maskgit", **settings})
        world = world_class(tokenizer.eval(), dynamics.eval(), ACTIONS)
        method = "one_go" if case == "one_go" else "autoregressive"
        sampling = sampling_class(steps=steps, method=method, window=FRAMES)
    world.use_precision(precision)

    def roll() -> str:
        rollout = world.rollout(prompt, actions, sampling=sampling)
        weights = torch.arange(rollout.tokens.numel()).view(rollout.tokens.shape) % 9973
        return str(int((rollout.tokens * weights).sum()))

    return roll


def preset(name: str) -> tuple[str, dict[str, Any]]:
    """Kind and settings of a model as a packaged configuration has them."""
    import yaml

    package = importlib.import_module("genieredux").__path__[0]
    file = Path(package) / "configs" / "genie_redux" / "config" / f"{name}.yaml"
    values = yaml.safe_load(file.read_text())
    kind = values["model"]
    return kind, dict(values["tokenizer" if kind == "tokenizer" else "dynamics"])


def collection() -> Callable[[], str]:
    """`genieredux generate` of 16 CoinRun episodes, each time into a new folder. Returns a digest of the
    frames that were stored."""
    import pyarrow.parquet

    run = importlib.import_module("genieredux.cli.main").run

    def collect() -> str:
        with tempfile.TemporaryDirectory(prefix="genieredux-turns-") as folder:
            amounts = {"n_instances": 1, "n_sessions": 16, "n_steps_max": 1000, "n_workers": 1}
            words = [f"config.connector.generator_config.{name}={value}" for name, value in amounts.items()]
            with contextlib.redirect_stdout(sys.stderr):
                if run(["generate", "config=coinrun/hard", f"root={folder}", *words]):
                    sys.exit("collection failed; what it said is above")
            digest = hashlib.sha256()
            for file in sorted(Path(folder).glob("*/episodes/**/*.parquet")):
                for frames in pyarrow.parquet.read_table(file, columns=["frames"])["frames"].to_pylist():
                    digest.update(frames)
        return digest.hexdigest()[:16]

    return collect


def evaluation() -> Callable[[], str]:
    """16 clips of 10 predicted frames with the world that ships, on made-up frames. Returns a digest of its results."""
    import numpy as np

    from genieredux.evaluation import Clips, EvalConfig, evaluate

    world, config = shipped(), EvalConfig(batch_size=16)
    draw, length = np.random.default_rng(0), config.clip_length
    frames = draw.integers(0, 255, (16, length, 8, 8, 3), dtype=np.uint8).repeat(8, 2).repeat(8, 3)
    clips = Clips(frames, draw.integers(0, 5, (16, length - 1)), np.arange(16) // 2)

    def work() -> str:
        results = json.dumps(evaluate(world, {"test": clips}, config).to_json(), sort_keys=True)
        return hashlib.sha256(results.encode()).hexdigest()[:16]

    return work


def shipped() -> Any:
    """The world of CoinRun that a checkout ships."""
    path = either("shipped_world", "genieredux.models.world.file", "genieredux.models.world_file")
    world_class = either("WorldModel", "genieredux.models.world.model", "genieredux.models.world_model")
    return world_class.load(path())


def either(name: str, now: str, once: str) -> Any:
    """What lies in one module now, and lay in another in older checkouts (since 38a26b9)."""
    try:
        return getattr(importlib.import_module(now), name)
    except ModuleNotFoundError:
        return getattr(importlib.import_module(once), name)


def make(kind: str, values: dict[str, Any]) -> Any:
    """An untrained model, the same on both sides."""
    import torch

    from genieredux.models.build import build_model

    torch.manual_seed(0)
    tokenizer: Any = None
    if kind.startswith("genie_redux"):
        tokenizer = build_model("tokenizer", {"architecture": "conv", "codebook_size": CODES, "codebook_dim": 32})
        torch.manual_seed(0)
    return build_model(kind, values, tokenizer=tokenizer, action_names=ACTIONS)


def serve(options: argparse.Namespace) -> None:
    """Do a turn for every line that comes, and answer with what it took."""
    import torch

    torch.set_num_threads(1)
    settings = dict(item.split("=", 1) for item in options.set)
    values = {key: json.loads(value) for key, value in settings.items()}
    if options.case in ("collection", "evaluation"):
        work = collection() if options.case == "collection" else evaluation()
    elif options.case in (*TRAININGS, *PRESETS):
        work = training(options.case, values, options.precision, options.checkpointing)
    else:
        work = generation(options.case, values, options.precision, options.steps)
    spared = options.checkpointing or options.case not in (*TRAININGS, *PRESETS)
    with contextlib.nullcontext() if spared else freed_memory():
        for _ in sys.stdin:
            began, used = time.perf_counter(), cpu_seconds()
            result = work()
            spent = {"wall": time.perf_counter() - began, "cpu": cpu_seconds() - used}
            status = Path("/proc/self/status").read_text()
            peak = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024
            print(json.dumps({**spent, "result": result, "peak_mib": peak}), flush=True)


def freed_memory() -> Any:
    """A context in which it is kept, where a checkout's command keeps it in training."""
    try:
        return importlib.import_module("genieredux.nn.memory").freed_memory_kept()
    except (ModuleNotFoundError, AttributeError):
        return contextlib.nullcontext()


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


class Side:
    """The process of one checkout."""

    def __init__(self, checkout: Path, words: list[str]) -> None:
        environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "--serve", *words]
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.turns: list[dict[str, Any]] = []

    def turn(self) -> dict[str, Any]:
        """One piece of work."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            sys.exit("a process ended in the middle of its work; what it said is above")
        self.turns.append(json.loads(line))
        return self.turns[-1]

    def end(self) -> None:
        """No more turns."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def interval(ratios: list[float]) -> list[float]:
    """In which 95 % of the medians of resampled ratios lie."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(2000))
    return [round(medians[49], 3), round(medians[1949], 3)]


def compare(before: Side, after: Side, turns: int, warm: int) -> dict[str, Any]:
    """Turns of both, the first of each unmeasured."""
    for number in range(warm + turns):
        for side in (before, after) if number % 2 == 0 else (after, before):
            side.turn()
    out: dict[str, Any] = {}
    for clock in ("cpu", "wall"):
        first, second = ([turn[clock] for turn in side.turns[warm:]] for side in (before, after))
        ratios = [one / two for one, two in zip(first, second, strict=True)]
        out[f"times faster, {clock}"] = round(statistics.median(ratios), 3)
        out[f"interval, {clock}"] = interval(ratios)
        out[f"seconds, {clock}"] = [round(statistics.median(times), 3) for times in (first, second)]
    results = [[turn["result"] for turn in side.turns] for side in (before, after)]
    out["same results"] = results[0] == results[1]
    out["results"] = results[0][:3] if out["same results"] else [result[:3] for result in results]
    out["peak memory MiB"] = [side.turns[-1]["peak_mib"] for side in (before, after)]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="the older checkout")
    parser.add_argument("--after", type=Path, default=Path(__file__).resolve().parents[1], help="(default: this one)")
    parser.add_argument("--case", choices=CASES, default="tokenizer")
    parser.add_argument("--precision", choices=("32", "bf16"), default="32")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of the model")
    parser.add_argument("--checkpointing", action="store_true", help="blocks are computed again in the backward pass")
    parser.add_argument("--steps", type=int, default=STEPS, help="refinement steps of one_go")
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--warm", type=int, default=2, help="turns of each that are not counted")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options)
    if options.before is None or not (options.before / "src" / "genieredux").is_dir():
        parser.error("--before is to be a checkout of this project, a folder with src/genieredux in it")
    words = ["--case", options.case, "--precision", options.precision, "--steps", str(options.steps)]
    words += ["--checkpointing"] * options.checkpointing + ["--set", *options.set]
    sides = [Side(checkout.resolve(), words) for checkout in (options.before, options.after)]
    report = compare(sides[0], sides[1], options.turns, options.warm)
    for side in sides:
        side.end()
    print(json.dumps({"case": options.case, "precision": options.precision, "settings": options.set, **report}))


if __name__ == "__main__":
    main()
