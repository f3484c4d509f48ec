"""The published way of computing against this project's, at the published sizes.

    python benchmarks/published_baseline.py                       # everything: about half an hour on two cores
    python benchmarks/published_baseline.py --sections generation --steps-timed 1 --repeats 1    # minutes

The published way (a switch in this file; the mathematics is the same): attention as explicit einsum, float32 softmax
and a pass against NaN; the spatial bias from its network on all pairs of places in every forward; torch's own backward
of the depthwise convolution, the feed-forward and unit vectors; generation that runs the whole prefix from frame 0 for
every refinement step, without a cache, with the logits of all frames. What the published code does besides (copies by
rearrangement, one-hot quantisation) is not imitated, so the ratios err on the low side.

Both sides take turns in one process, medians count; peak memory comes from a process of its own for each side.
"published dynamics" is the public configuration: 1024 wide, with the frozen tokenizer run at every step.
--steps-timed N: of the 25 equal refinement steps of a window, so many are timed on the slow side; what that gives is
marked as scaled. Seconds are given by the wall clock and of CPU time; on a machine that others use too, trust the
ratios of the latter. Prints one JSON object a section, as soon as it is done.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from genieredux.models.build import build_model
from genieredux.models.dynamics.maskgit import MaskGIT
from genieredux.models.dynamics.maskgit_config import MaskGITConfig
from genieredux.models.sampling import Sampling, mask_ratio
from genieredux.models.tokenizers.st_vivit import STViViT, STViViTConfig
from genieredux.models.types import Batch
from genieredux.models.world.model import WorldModel
from genieredux.nn.attention import join_beside
from genieredux.nn.blocks import FeedForward
from genieredux.nn.kernels import Kernel, use_kernel
from genieredux.nn.positions import ContinuousPositionBias
from genieredux.nn.precision import autocast, slow_bf16_products
from genieredux.nn.products import Linear
from genieredux.training import OptimizerConfig
from genieredux.training.loop.optimizer import build_optimizer

ACTIONS = ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP")
GRID, CODES, FRAMES, STEPS, PREDICTED = (16, 16), 1024, 16, 25, 10
Precisions = tuple[str, ...]
_blocks: int | None = None
"""Blocks of every part, where they are not the published 8 and 12."""


class Spent(NamedTuple):
    """Seconds."""

    wall: float
    cpu: float


def timed(work: Callable[[], object]) -> Spent:
    began, used = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - began, time.process_time() - used)


def median(times: list[Spent]) -> Spent:
    return Spent(statistics.median(t.wall for t in times), statistics.median(t.cpu for t in times))


# -- the published way ---------------------------------------------------------------------------------------


def attend_explicitly(
    q: Tensor, k: Tensor, v: Tensor, *, bias: Tensor | None = None, scale: float | None = None
) -> Tensor:
    scores = torch.einsum("bhid,bhjd->bhij", q, k).float() * (q.shape[-1] ** -0.5 if scale is None else scale)
    if bias is not None:
        scores = scores + bias
    weights = torch.nan_to_num(scores.softmax(-1))
    return torch.einsum("bhij,bhjd->bhid", weights.to(v.dtype), v)


def bias_of_all_pairs(self: ContinuousPositionBias, height: int, width: int) -> Tensor:
    places = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"), -1).flatten(0, 1)
    offsets = (places[:, None] - places).to(next(self.parameters()).device).float()
    return self.net(offsets.sign() * offsets.abs().log1p()).permute(2, 0, 1)


def convolve_by_torch(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.conv3d(x.permute(0, 4, 1, 2, 3), weight, bias, padding=(0, 1, 1), groups=x.shape[-1]).permute(
        0, 2, 3, 4, 1
    )


class UnitByTorch:
    @staticmethod
    def apply(x: Tensor, gain: Tensor) -> Tensor:
        return F.normalize(x, dim=-1) * gain


def feed_forward_by_torch(self: FeedForward, x: Tensor, beside: Tensor | None = None) -> Tensor:
    value, gate = self.expand(join_beside(self.norm(x), beside)).chunk(2, -1)
    return self.contract(F.gelu(gate) * value)


@contextlib.contextmanager
def published_way(wanted: bool = True) -> Iterator[None]:
    """Inside, every model of this project computes the published way."""
    with contextlib.ExitStack() as stack:
        if wanted:
            stack.enter_context(patch("genieredux.nn.attention.attend", attend_explicitly))
            stack.enter_context(patch("genieredux.nn.attention._Unit", UnitByTorch))
            stack.enter_context(patch("genieredux.nn.positions.depthwise_conv3d", convolve_by_torch))
            stack.enter_context(patch.object(FeedForward, "forward", feed_forward_by_torch))
            stack.enter_context(patch.object(Linear, "forward", nn.Linear.forward))
            stack.enter_context(patch.object(ContinuousPositionBias, "forward", bias_of_all_pairs))
        yield


@torch.no_grad()
def generate_the_published_way(
    world: WorldModel, prompt: Tensor, actions: Tensor, window: int, steps_timed: int
) -> Spent:
    """Time of PREDICTED frames after prompt (1, P, C, H, W), scaled where steps_timed < STEPS.

    Per window of new frames all of STEPS steps run the whole prefix from frame 0 (genie_redux.py's
    generate_interactive_video as published_code.md describes it).
    """
    model, past, spent = world.dynamics, world.encode(prompt), Spent(0.0, 0.0)
    assert isinstance(model, MaskGIT)
    total = window * GRID[0] * GRID[1]
    while past.shape[1] < prompt.shape[1] + PREDICTED:
        current = torch.full((1, window, *GRID), model.mask_id)
        taken = actions[:, : past.shape[1] + window - 1]
        for step in range(steps_timed):
            began, used = time.perf_counter(), time.process_time()
            with world.computing():
                line = torch.cat([past, current], 1)[:, :-1]
                logits = model.shifted_logits(line, model.condition(taken))[:, -window:].float()
            noise = -(-torch.rand_like(logits).clamp_min(1e-20).log()).log()
            chosen = (logits + noise * ((STEPS - 1 - step) / STEPS)).argmax(-1)
            unsure = 1 - logits.softmax(-1).gather(-1, chosen[..., None])[..., 0]
            masked = int(mask_ratio("cosine", (step + 1) / STEPS, total) * total)
            hide = unsure.flatten().topk(masked).indices
            current = chosen.flatten().index_fill(0, hide, model.mask_id).view_as(chosen)
            times = STEPS / steps_timed
            wall, cpu = time.perf_counter() - began, time.process_time() - used
            spent = Spent(spent.wall + wall * times, spent.cpu + cpu * times)
        past = torch.cat([past, chosen], 1)
    last = timed(lambda: world.decode(past))
    return Spent(spent.wall + last.wall, spent.cpu + last.cpu)


# -- measuring -----------------------------------------------------------------------------------------------


def tokenizer_model() -> STViViT:
    torch.manual_seed(0)
    config = STViViTConfig()
    return STViViT(replace(config, blocks=_blocks or config.blocks)).train()


def dynamics_model(name: str) -> MaskGIT:
    """ "ours": 12 blocks of 512, one-hot at every layer. "published": the public configuration, 1024 wide."""
    torch.manual_seed(0)
    config = MaskGITConfig() if name == "ours" else MaskGITConfig.published()
    config = replace(config, blocks=_blocks or config.blocks)
    width = 32 if name == "ours" else 512
    return MaskGIT(config, F.normalize(torch.randn(CODES, width), dim=-1), GRID, len(ACTIONS)).train()


def clip(frames: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(
        frames=torch.rand(1, frames, 3, 64, 64, generator=generator),
        tokens=torch.randint(CODES, (1, frames, *GRID), generator=generator),
        actions=torch.randint(len(ACTIONS), (1, frames - 1), generator=generator),
    )


def training_step(model: nn.Module, precision: str, published: bool, encoder: STViViT | None = None) -> Callable:
    """A whole step at batch 1: forward, backward, clipping, AdamW. encoder: encodes the frames first, at every step."""
    optimizer = _once(_optimizer_of, model)

    whole = clip(FRAMES)

    def step(batch: Batch = whole) -> None:
        with published_way(published):
            with autocast(precision, torch.device("cpu")):
                if encoder is not None:
                    encoder.encode(batch.frames)
                losses = model(batch, torch.Generator().manual_seed(0))
            losses.total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def sides(section: str, precisions: Precisions) -> dict[str, Callable[[], Callable]]:
    """By name, what makes each side's step."""
    out: dict[str, Callable[[], Callable]] = {}
    for precision in precisions:
        for published in (True, False):
            way = f"{'published way' if published else 'ours'}, {precision}"
            if section == "tokenizer":
                out[way] = lambda p=precision, w=published: training_step(_once(tokenizer_model), p, w)
            else:
                out[way] = lambda p=precision, w=published: training_step(_once(dynamics_model, "ours"), p, w)
        if section == "dynamics":
            out[f"published dynamics, {precision}"] = lambda p=precision: training_step(
                _once(dynamics_model, "published"), p, True, _once(tokenizer_model).eval()
            )
    return out


_made: dict[tuple, Any] = {}


def _optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    return build_optimizer(model, OptimizerConfig())


def _once(make: Callable[..., Any], *arguments: Any) -> Any:
    """One model and optimiser for all sides that compute with it: they take turns and the weights do not matter."""
    key = (make.__name__, *arguments)
    if key not in _made:
        _made[key] = make(*arguments)
    return _made[key]


def in_turns(steps: dict[str, Callable[[], object]], repeats: int) -> dict[str, Spent]:
    """Median time of each, the sides taking turns; the first round is not counted unless it is the only one."""
    spent: dict[str, list[Spent]] = {name: [] for name in steps}
    for _ in range(repeats + (repeats > 1)):
        for name, step in steps.items():
            spent[name].append(timed(step))
    return {name: median(times[1:] or times) for name, times in spent.items()}


def compared(times: dict[str, Spent], slow: str, fast: str) -> dict[str, float]:
    """How many times longer `slow` takes than `fast`."""
    return {kind: round(getattr(times[slow], kind) / getattr(times[fast], kind), 2) for kind in Spent._fields}


def rounded(times: dict[str, Spent]) -> dict[str, dict[str, float]]:
    return {name: {kind: round(value, 2) for kind, value in t._asdict().items()} for name, t in times.items()}


def peak_memory(section: str, side: str, threads: int) -> int:
    """MiB of a process that does a step of one side, the optimiser's state being there."""
    command = [sys.executable, __file__, "--only", section, side, "--threads", str(threads)]
    command += ["--blocks", str(_blocks)] if _blocks else []
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def resident_peak() -> int:
    """MiB of this process so far. Not ru_maxrss, which begins with what the process that started this one had."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024


def ceiling(precision: str) -> float:
    """GFLOP per CPU second of the fastest large matrix product that `precision` allows: a float32 one where bf16 is
    slower."""
    narrow = precision == "bf16" and not slow_bf16_products()
    dtype = torch.bfloat16 if narrow else torch.float32
    a, b = torch.randn(4096, 2048, dtype=dtype), torch.randn(2048, 4096, dtype=dtype)
    best = min(timed(lambda: a @ b).cpu for _ in range(6))
    return 2 * 4096 * 4096 * 2048 / best / 1e9


def measure_training(section: str, options: argparse.Namespace) -> dict:
    makers = sides(section, options.precisions)
    steps = {name: make() for name, make in makers.items()}
    with use_kernel(Kernel.EXPLICIT), FlopCounterMode(display=False) as counter:
        steps[f"ours, {options.precisions[0]}"]()
    # Matrix products alone: the counter takes the groups of a depthwise convolution's backward for dense ones.
    flops = sum(count for op, count in counter.get_flop_counts()["Global"].items() if "mm" in str(op))
    limits = {precision: ceiling(precision) for precision in options.precisions}
    times = in_turns(steps, options.repeats)
    limits = {p: max(limit, ceiling(p)) for p, limit in limits.items()}
    out: dict = {"section": section, "threads": options.threads, "seconds": rounded(times)}
    for precision in options.precisions:
        ours = f"ours, {precision}"
        others = [name for name in times if name.startswith("published")]
        out[f"times faster than, ours in {precision}"] = {name: compared(times, name, ours) for name in others}
        reached = flops / times[ours].cpu / 1e9
        out[f"ours in {precision}, GFLOP per CPU second"] = round(reached)
        out[f"ours in {precision}, share of the fastest matrix product"] = round(reached / limits[precision], 2)
    out["TFLOP a step (ours)"] = round(flops / 1e12, 2)
    _made.clear()
    if options.memory:
        out["peak memory MiB"] = {name: peak_memory(section, name, options.threads) for name in makers}
    return out


def measure_generation(options: argparse.Namespace) -> dict:
    settings = {"architecture": "conv", "codebook_size": CODES, "codebook_dim": 32}
    tokenizer = build_model("tokenizer", settings)
    world = WorldModel(tokenizer, dynamics_model("ours"), ACTIONS)  # type: ignore[arg-type]
    prompt = torch.rand(1, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    actions = torch.randint(len(ACTIONS), (1, 1 + PREDICTED), generator=torch.Generator().manual_seed(0))
    out: dict = {"section": "generation", "threads": options.threads, "frames": PREDICTED, "steps": STEPS}
    out["steps timed of the published way"] = options.steps_timed
    ways = {"ours": 1, "ours, two frames at a time": 2}
    for precision in options.precisions:
        world.use_precision(precision)
        spent: dict[str, list[Spent]] = {name: [] for name in (*ways, "published way")}
        for _ in range(options.repeats):
            for name, length in ways.items():
                sampling = Sampling(steps=STEPS, dream_length=length, window=FRAMES)
                spent[name].append(timed(lambda s=sampling: world.rollout(prompt, actions, sampling=s)))
            with published_way():
                slow = generate_the_published_way(world, prompt, actions, 2, options.steps_timed)
            spent["published way"].append(slow)
        times = {name: median(values) for name, values in spent.items()}
        out[precision] = {
            "seconds": rounded(times),
            "times faster": {name: compared(times, "published way", name) for name in ways},
        }
    return out


def measure_one_go(options: argparse.Namespace) -> dict:
    """All PREDICTED frames decided together: ours in all STEPS steps, the published way in some of them."""
    settings = {"architecture": "conv", "codebook_size": CODES, "codebook_dim": 32}
    worlds = {
        name: WorldModel(build_model("tokenizer", settings), dynamics_model(name), ACTIONS)  # type: ignore[arg-type]
        for name in ("ours", "published")
    }
    prompt = torch.rand(1, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    actions = torch.randint(len(ACTIONS), (1, 1 + PREDICTED), generator=torch.Generator().manual_seed(0))
    sampling = Sampling(steps=STEPS, method="one_go", window=FRAMES)
    out: dict = {"section": "one_go", "threads": options.threads, "frames": PREDICTED, "steps": STEPS}
    out["steps timed of the published way"] = options.steps_timed
    for precision in options.precisions:
        spent: dict[str, list[Spent]] = {"ours": [], "published way": [], "published dynamics": []}
        for _ in range(options.repeats):
            for name, world in worlds.items():
                world.use_precision(precision)
                with published_way():
                    slow = generate_the_published_way(world, prompt, actions, PREDICTED, options.steps_timed)
                spent["published way" if name == "ours" else "published dynamics"].append(slow)
            spent["ours"].append(timed(lambda: worlds["ours"].rollout(prompt, actions, sampling=sampling)))
        times = {name: median(values) for name, values in spent.items()}
        faster = {name: compared(times, name, "ours") for name in times if name != "ours"}
        out[precision] = {"seconds": rounded(times), "times faster than": faster}
    return out


def main() -> None:
    global _blocks
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", nargs="*", default=["tokenizer", "dynamics", "generation", "one_go"])
    parser.add_argument("--precisions", nargs="*", default=["32", "bf16"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps-timed", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-memory", dest="memory", action="store_false")
    parser.add_argument("--only", nargs=2, metavar=("SECTION", "SIDE"), help="peak memory of one side, in MiB")
    parser.add_argument("--blocks", type=int, help="of every part instead of the published 8 and 12, to save time")
    options = parser.parse_args()
    _blocks = options.blocks
    torch.set_num_threads(options.threads)
    if options.only:
        section, side = options.only
        step = sides(section, ("32", "bf16"))[side]()
        step(clip(2))  # the optimiser's state exists from here on
        step()
        print(resident_peak())
        return
    generations = {"generation": measure_generation, "one_go": measure_one_go}
    for section in options.sections:
        report = generations[section](options) if section in generations else measure_training(section, options)
        print(json.dumps(report, indent=2), flush=True)


if __name__ == "__main__":
    main()
