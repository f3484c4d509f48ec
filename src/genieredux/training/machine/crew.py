"""The other processes of a training on this machine: started with the same job, and gone when it is over.

They are told where they meet as `torchrun` tells its own, so that a Fabric joins them. Whoever calls a training, a
command, a notebook or a longer job of which it is one part, need not be run again for them. Knows no job.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from genieredux.errors import UserError
from genieredux.runs.workers import Child, Gone

_PATIENCE = 30.0
"""Seconds in which a process ends by itself once the training is over."""
_NOTICE = 2.0
"""Seconds in which one that failed says so, or is dead."""


@contextmanager
def crew(processes: int, target: str, job: Any) -> Iterator[None]:
    """Within, this is the first of `processes`, and the others run `target`, "module:function", as
    `function(pipe, environment, job)`: it puts the environment in place and trains, and sends in words what it cannot.

    Nothing happens for one process, and where a launcher has started them. Raises UserError where one of the others
    failed, with what it said.
    """
    if processes == 1 or "WORLD_SIZE" in os.environ:
        yield
        return
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(processes)}
    before, threads = dict(os.environ), torch.get_num_threads()
    children: dict[int, Child] = {}
    patience = 0.0
    try:
        for rank in range(1, processes):
            children[rank] = Child(target, {**meeting, "LOCAL_RANK": str(rank)}, job)
        os.environ |= {**meeting, "LOCAL_RANK": "0"}
        yield
        patience = _PATIENCE
    except (UserError, SystemExit, KeyboardInterrupt):
        raise
    except Exception as error:
        _blame(children, error)
        raise
    finally:
        for child in children.values():
            child.end(patience)
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        os.environ.clear()
        os.environ |= before
        torch.set_num_threads(threads)


def _blame(children: Mapping[int, Child], error: Exception) -> None:
    """Raise the UserError that a process ended with, or one that says how it died; none where all are well."""
    for rank, child in children.items():
        try:
            raise UserError(str(child.receive(_NOTICE))) from error
        except Gone as gone:
            if "no answer" not in str(gone):
                raise UserError(
                    f"process {rank} of the training died ({gone}), most likely for want of memory: lower "
                    f"train.num_processes or train.batch_size; the same command goes on from the last checkpoint"
                ) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
