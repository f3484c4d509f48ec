"""The loss on held-out clips. Knows no file."""

import math
from collections.abc import Callable

import torch
from lightning_fabric import Fabric

from genieredux.models.types import Batch, Losses
from genieredux.training.clips import DataSource
from genieredux.training.config import TrainConfig
from genieredux.training.loop.logs import Meter
from genieredux.training.loop.randomness import Part, generator_for


def validation_means(
    forward: Callable[[Batch, torch.Generator], Losses], source: DataSource, cfg: TrainConfig, fabric: Fabric
) -> dict[str, float]:
    """Mean "loss" and parts over train.max_valid_size clips (at least one batch), over all processes.

    Every call sees the same clips and the same noise, so that two validations differ by the weights alone.
    """
    meter = Meter()
    batches = max(1, math.ceil(cfg.max_valid_size / (cfg.batch_size * fabric.world_size)))
    for k in range(batches):
        batch = source.batch(k)
        part = Part(batch.clips, rank=fabric.global_rank, ranks=fabric.world_size)
        generator = generator_for(fabric.device, cfg.seed, "validate", k + 1, part)
        losses = forward(batch.to(fabric.device), generator)
        meter.add({"loss": losses.total, **losses.parts})
    return meter.take(fabric)
