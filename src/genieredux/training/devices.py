"""Where a run computes and in which precision. Lightning Fabric moves, launches and reduces; autocast is
ours.

Fabric's own bf16 precision casts every floating input, the target frames of a loss included; here only the
operations inside the model are autocast.
"""

import os

from lightning_fabric import Fabric

from genieredux.training.config import TrainConfig


def make_fabric(config: TrainConfig) -> Fabric:
    """A Fabric, launched. num_processes > 1 starts the other processes by running this command again (or
    joins a torchrun that is already there), so call it before anything else is made or written."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    many = config.num_processes > 1 or world > 1
    fabric = Fabric(
        accelerator=config.accelerator,
        devices=config.num_processes if world == 1 else int(os.environ.get("LOCAL_WORLD_SIZE", world)),
        num_nodes=max(1, world // int(os.environ.get("LOCAL_WORLD_SIZE", world))),
        strategy="ddp" if many else "auto",
        precision="32-true",
    )
    if many:
        fabric.launch()
    return fabric
