"""The loss on held-out clips. Knows no file."""

import math
from collections.abc import Callable

import torch
from lightning_fabric import Fabric

from genieredux.models.types import Batch, Losses
from genieredux.training.config import TrainConfig
from genieredux.training.logs import Meter
from genieredux.training.prefetch import DataSource, to_device
from genieredux.training.randomness import Part, generator_for


def validation_means(
    forward: Callable[[Batch, torch.Generator], Losses], source: DataSource, cfg: TrainConfig, fabric: Fabric
) -> dict[str, float]:
    """Mean "loss" and parts over train.max_valid_size clips (at least one batch), over all processes.

    Every call sees the same clips and the same noise, so that two validations differ by the weights alone.
    """
    meter = Meter()
    batches = max(1, math.ceil(cfg.max_valid_size / (cfg.batch_size * fabric.world_size)))
    for index in range(1, batches + 1):
        batch = source.batch(index, 0)
        part = Part(batch.clips, rank=fabric.global_rank, ranks=fabric.world_size)
        generator = generator_for(fabric.device, cfg.seed, "validate", index, part)
        losses = forward(to_device(batch, fabric.device), generator)
        meter.add({"loss": losses.total, **losses.parts})
    return meter.take(fabric)
