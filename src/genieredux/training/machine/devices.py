"""Where a run computes: which processes, on which devices, sharing how. Lightning Fabric moves, launches and reduces.

Fabric's own bf16 precision casts every floating input, the target frames of a loss included; here only the
operations inside the model are autocast.
"""

import atexit
import logging
import os
import subprocess
import warnings
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import ModelParallelStrategy

from genieredux.errors import UserError
from genieredux.training.config import MachineConfig
from genieredux.training.machine.sharding import shard


def make_fabric(config: MachineConfig) -> Fabric:
    """A Fabric, launched. num_processes > 1 joins those that a `crew` or torchrun started; where there are none it
    starts them by running this program again, so call it before anything else is made or written.

    Raises UserError where there are fewer GPUs than processes, or the launcher's numbers are none.
    """
    world = _launched("WORLD_SIZE", 1)
    here = config.num_processes if world == 1 else _launched("LOCAL_WORLD_SIZE", world)
    processes = max(world, here)
    _check_gpus(config, here)
    fabric = Fabric(
        accelerator=config.accelerator,
        devices=here,
        num_nodes=max(1, world // here),
        strategy=_strategy(config.strategy, processes),
        precision="32-true",
    )
    if processes > 1:
        if not is_first_process():
            logging.getLogger("genieredux").setLevel(logging.ERROR)  # the first one says it for all
        for name in ("lightning", "lightning_fabric", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # a convolution's gradients lie as its inputs do; DDP copies them, which costs nothing beside the convolution
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        fabric.launch()
        _end_children_with_us(fabric)
    return fabric


def is_first_process() -> bool:
    """Whether this process is the one that writes and speaks, as the environment of its launcher says."""
    rank = os.environ.get("RANK")
    if rank is not None:
        return rank == "0"
    return os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("NODE_RANK", "0") == "0"


def _launched(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{name} is '{text}' in the environment, which is no number of processes; unset {name}")
    return int(text)


def _strategy(name: str, processes: int) -> Any:
    if processes == 1:
        return "auto"
    if name == "fsdp":
        return ModelParallelStrategy(shard, data_parallel_size=processes, tensor_parallel_size=1)
    return "ddp"


def _check_gpus(config: MachineConfig, processes: int) -> None:
    wants_gpu = config.accelerator in ("gpu", "cuda") or (config.accelerator == "auto" and torch.cuda.is_available())
    there = torch.cuda.device_count()
    if wants_gpu and processes > there:
        raise UserError(
            f"train.num_processes is {processes} and this machine has {there} GPUs; set "
            f"train.num_processes={max(1, there)} and a larger train.grad_accum"
            + ("" if there else ", or train.accelerator=cpu")
        )


def _end_children_with_us(fabric: Fabric) -> None:
    """Processes that wait for one that has failed would wait for minutes."""
    launcher: Any = getattr(fabric.strategy, "launcher", None)
    children: list[subprocess.Popen] = getattr(launcher, "procs", [])

    def end() -> None:
        for child in children:
            if child.poll() is None:
                try:
                    child.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    child.kill()

    if children:
        atexit.register(end)
