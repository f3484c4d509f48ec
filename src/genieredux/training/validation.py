"""The loss on held-out clips. Knows no file."""

import math
from collections.abc import Callable

import torch
from lightning_fabric import Fabric

from genieredux.models.types import Batch, Losses
from genieredux.training.config import TrainConfig
from genieredux.training.logs import Meter
from genieredux.training.prefetch import DataSource, to_device
from genieredux.training.randomness import generator_for


def validation_means(
    forward: Callable[[Batch, torch.Generator], Losses], source: DataSource, cfg: TrainConfig, fabric: Fabric
) -> dict[str, float]:
    """Mean "loss" and parts over train.max_valid_size clips (at least one batch), over all processes.

    Every call sees the same clips and the same noise, so that two validations differ by the weights alone.
    """
    meter = Meter()
    batches = max(1, math.ceil(cfg.max_valid_size / (cfg.batch_size * fabric.world_size)))
    for index in range(1, batches + 1):
        generator = generator_for(fabric.device, cfg.seed, "validate", index, 0, fabric.global_rank)
        losses = forward(to_device(source.batch(index, 0), fabric.device), generator)
        meter.add({"loss": losses.total, **losses.parts})
    return meter.take(fabric)
