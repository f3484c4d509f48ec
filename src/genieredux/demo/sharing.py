"""How a demo shares the machine's cores. Small models are many small products, which several threads of one
process hardly speed up, and several processes do."""

import dataclasses
import os

import torch

from genieredux.evaluation.config import EvalJobConfig
from genieredux.runs.environment import cores
from genieredux.training.config import TrainConfig

_MOST = 4


def shared(train: TrainConfig) -> TrainConfig:
    """The same training, a batch of it divided among processes: one a core, up to 4; as it is where it says how many,
    on a GPU, where a launcher has started processes, and where the batch cannot be divided."""
    elsewhere = torch.cuda.is_available() or train.accelerator not in ("auto", "cpu") or "WORLD_SIZE" in os.environ
    if elsewhere or train.num_processes > 1:
        return train
    count = max(n for n in range(1, min(cores(), _MOST, train.batch_size) + 1) if train.batch_size % n == 0)
    return dataclasses.replace(train, num_processes=count, batch_size=train.batch_size // count)


def spread(evaluation: EvalJobConfig) -> EvalJobConfig:
    """The same evaluation, its batches measured by as many processes; as it is where `shared` would leave it so."""
    elsewhere = torch.cuda.is_available() or evaluation.accelerator not in ("auto", "cpu")
    if elsewhere or evaluation.num_processes > 1:
        return evaluation
    return dataclasses.replace(evaluation, num_processes=min(cores(), _MOST))
