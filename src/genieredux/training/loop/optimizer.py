"""AdamW or Muon and its learning rate, a pure function of how far the run is. Knows no loop and no model.

The published schedule is torch's recursive CosineAnnealingLR, which climbs again after t_max; here the rate
stays at its floor. Up to that point the two agree to rounding.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from genieredux.training.config import LoopConfig, OptimizerConfig
from genieredux.training.machine.moments import MappedAdamW
from genieredux.training.machine.muon import Muon


def build_optimizer(model: nn.Module, config: OptimizerConfig, folder: Path | None = None) -> torch.optim.AdamW:
    """AdamW over the parameters that require a gradient, those of two dimensions or more decaying; or with kind=muon,
    Muon for those but embeddings and what a module names in `by_adamw`: the beginnings of names of its parameters.

    folder: where a file for AdamW's moments is made; None: they are in memory, as Muon's are always.
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    spared = embeddings | {
        id(parameter)
        for module in model.modules()
        for name, parameter in module.named_parameters()
        if name.startswith(getattr(module, "by_adamw", ()))
    }
    kinds: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            decays = parameter.ndim >= 2 and (config.decay_embeddings or id(parameter) not in embeddings)
            turned = config.kind == "muon" and parameter.ndim >= 2 and id(parameter) not in spared
            kinds.setdefault((decays, turned), []).append(parameter)
    groups = [
        {"params": kinds[kind], "weight_decay": config.weight_decay if kind[0] else 0.0, "orthogonal": kind[1]}
        for kind in sorted(kinds, reverse=True)
    ]
    betas = (config.betas[0], config.betas[1])
    settings: dict[str, Any] = {"lr": config.learning_rate, "betas": betas, "eps": config.eps}
    if folder is not None and config.kind == "adamw":
        return MappedAdamW(groups, folder=folder, **settings)
    optimizer = Muon if config.kind == "muon" else torch.optim.AdamW
    return optimizer(groups, **settings, fused=_can_fuse(parameter for each in kinds.values() for parameter in each))


def learning_rate_at(k: int, elapsed: float, config: OptimizerConfig, loop: LoopConfig) -> float:
    """The rate of update k (from 1), which begins `elapsed` seconds into the run."""
    if loop.schedule == "time" and loop.time_limit_s is not None:
        progress = max(elapsed / loop.time_limit_s, (k - 1) / loop.num_train_steps)
        return learning_rate_at_progress(progress, config, loop.num_train_steps)
    return learning_rate(k - 1, config, loop.num_train_steps)


def learning_rate(position: float, config: OptimizerConfig, run_length: float) -> float:
    """The rate after `position` updates (0 for the first one; fractions are fine).

    Linear from start_factor to 1 times learning_rate over warmup.steps, cosine to eta_min over cosine.t_max,
    flat.
    run_length: updates in the whole run, which the cosine fills when t_max is None.
    """
    warmup, cosine, peak = config.warmup, config.cosine, config.learning_rate
    if position < warmup.steps:
        return peak * (warmup.start_factor + (1 - warmup.start_factor) * position / warmup.steps)
    span = decay_length(config, run_length)
    fallen = min(1.0, (position - warmup.steps) / span)
    floor = min(cosine.eta_min, peak)  # a peak set below the floor stays where it is instead of rising to it
    return floor + (peak - floor) * (1 + math.cos(math.pi * fallen)) / 2


def learning_rate_at_progress(progress: float, config: OptimizerConfig, run_length: float) -> float:
    """The rate when `progress` (0 to 1) of a time-limited run is over: the curve stretched over the run."""
    length = config.warmup.steps + decay_length(config, run_length)
    return learning_rate(min(1.0, max(0.0, progress)) * length, config, run_length)


def decay_length(config: OptimizerConfig, run_length: float) -> float:
    """Updates that the cosine takes."""
    if config.cosine.t_max is not None:
        return float(config.cosine.t_max)
    return max(1.0, run_length - config.warmup.steps)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Every group gets the same rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _can_fuse(parameters: Iterable[nn.Parameter]) -> bool:
    return all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in parameters)
