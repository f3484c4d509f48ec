"""Training what a job names, or what was assembled: a model that learns from batches, driven in a run folder."""

import dataclasses
import os
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from multiprocessing.connection import Connection

from lightning_fabric import Fabric

from genieredux.checking import one_of
from genieredux.errors import UserError
from genieredux.nn.memory import freed_memory_kept
from genieredux.nn.precision import choose_precision
from genieredux.runs import RunFolder
from genieredux.training.assembled import Assembled, Look
from genieredux.training.config import OptimizerConfig, TrainConfig, check_optimizer
from genieredux.training.jobs import JobConfig
from genieredux.training.kinds import assemble
from genieredux.training.kinds.materials import Opened
from genieredux.training.loop.drive import RunResult, drive
from genieredux.training.loop.supervised import Supervised
from genieredux.training.machine.devices import make_fabric


def train(cfg: JobConfig, on_sample: Look | None = None) -> RunResult:
    """Train what `cfg` says, in cfg.folder. on_sample: a further look at each validation.

    Raises UserError for whatever is wrong with the settings, the files or the data, before the folder is made; and as
    `drive` does.
    """
    with ExitStack() as processes:
        materials = Opened(cfg, processes)
        parts = assemble(cfg, materials)
        if on_sample is not None:
            parts = dataclasses.replace(parts, looks=(*parts.looks, on_sample))
        return fit(parts, cfg.train, RunFolder(cfg.folder, settings=cfg), cfg.optimizer, materials.fabric)


def follow(pipe: Connection, environment: Mapping[str, str], cfg: JobConfig) -> None:
    """What every process of a training but the first does (machine/crew.py): the same."""
    os.environ.update(environment)
    try:
        train(cfg)
    except UserError as error:
        pipe.send(str(error))


def fit(
    parts: Assembled,
    cfg: TrainConfig,
    run: RunFolder,
    optimizer: OptimizerConfig | None = None,
    fabric: Fabric | None = None,
) -> RunResult:
    """Train parts.model in place until cfg.num_train_steps or cfg.time_limit_s, in the folder `run`.

    fabric: one from `make_fabric`, needed when there are several processes (they must start before data is made).
    Raises as `drive` does.
    """
    optimizer = optimizer or OptimizerConfig()
    check_optimizer(optimizer, cfg)
    fabric = fabric or make_fabric(cfg)
    precision = _precision(cfg, run, fabric)
    spared = cfg.activation_checkpointing or fabric.device.type != "cpu"
    with nullcontext() if spared else freed_memory_kept():
        learner = Supervised(parts, cfg, optimizer, fabric, precision, run.path)
        return drive(learner, cfg, run, log=cfg, fabric=fabric)


def _precision(cfg: TrainConfig, run: RunFolder, fabric: Fabric) -> str:
    """What train.precision says. "auto" is measured once in the life of a run, and by one process: all must agree."""
    if cfg.precision != "auto":
        return cfg.precision
    precision = ""
    if fabric.is_global_zero:
        precision = run.measured("precision", lambda: choose_precision("auto", fabric.device))
        one_of(f"{run.measured_path}: precision", precision, ("32", "bf16"))
    return str(fabric.broadcast(precision))
