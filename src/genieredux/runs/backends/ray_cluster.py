"""The connection to a Ray cluster: quiet, offline, and ended by whoever opened it. It knows no task and no game.

group: the settings that asked for it, `<group>.backend` and `<group>.ray_address`, as errors name them.
"""

import contextlib
import importlib
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from genieredux.errors import UserError
from genieredux.runs.environment import cores
from genieredux.runs.files import write_text
from genieredux.runs.locks import LOCK, sole_writer

log = logging.getLogger(__name__)

_OBJECT_STORE_BYTES = 256 * 2**20  # a few episodes of every worker wait in it, each smaller than a megabyte
_KNOCK_SECONDS = 5.0
_ABOVE, _PREFIX = Path("/tmp"), "gr-"  # a cluster's sockets need short paths
_LIBRARY_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # it would phone home
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # it would hide GPUs from workers, and warn of it
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # it would print a dead node's log on stdout
}


def library(group: str = "collect") -> Any:
    """The package ray. Raises `UserError` where it is not installed."""
    if "ray" in sys.modules and sys.modules["ray"] is not None:
        return sys.modules["ray"]
    missing = {name: value for name, value in _LIBRARY_SETTINGS.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise UserError(
            f'{group}.backend=ray needs the package ray ({error}): pip install "genieredux[ray]"'
        ) from error
    finally:
        os.environ.pop("RAY_DEDUP_LOGS_SKIP_REGEX" if "RAY_DEDUP_LOGS_SKIP_REGEX" in missing else "", None)


@contextlib.contextmanager
def connected(address: str, n_workers: int | None, group: str = "collect") -> Iterator[int]:
    """Be connected to a cluster; gives the number of workers to ask it for: `n_workers`, or one per CPU it has.

    address: `auto` (the cluster that this machine belongs to, or $RAY_ADDRESS), `HOST:PORT` of the head, or `local`
    (a cluster of this machine alone, started now and ended with the job). Where the program is connected
    already, that connection is used and kept. Raises `UserError` where there is no such cluster.
    """
    ray = library(group)
    if ray.is_initialized():
        yield _workers(ray, n_workers)
        return
    with _own_cluster(n_workers) if address == "local" else _elsewhere(address, group) as options:
        try:
            with _sigterm_kept():
                _init(ray, address, options, group)
            yield _workers(ray, n_workers)
        finally:
            with _sigterm_kept():
                ray.shutdown()


@contextlib.contextmanager
def _own_cluster(n_workers: int | None) -> Iterator[dict[str, Any]]:
    """What a cluster of this machine alone is started with. Its files, and the token that guards it, go with it."""
    _forget_the_dead()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_ABOVE))
    before = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH")}
    if not any(name.startswith("RAY_AUTH_") for name in os.environ):  # else it would keep a token in the home folder
        write_text(folder / "token", secrets.token_hex(32))
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(folder / "token")
    try:
        with sole_writer(folder):  # as long as this process lives
            yield {
                "num_cpus": n_workers or cores(),
                "num_gpus": 0,
                "object_store_memory": _OBJECT_STORE_BYTES,
                "include_dashboard": False,
                "_temp_dir": str(folder),
            }
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)


def _forget_the_dead() -> None:
    """Remove the files of clusters whose process was killed: nobody holds their lock."""
    for folder in _ABOVE.glob(f"{_PREFIX}*"):
        with contextlib.suppress(UserError, OSError):
            if (folder / LOCK).is_file():
                with sole_writer(folder):
                    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _elsewhere(address: str, group: str) -> Iterator[dict[str, Any]]:
    """What a cluster that runs already is joined with: nothing."""
    if address != "auto":
        _knock(address, group)
    yield {}


def _init(ray: Any, address: str, options: dict[str, Any], group: str) -> None:
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if reason.startswith("Could not find any running Ray instance"):
            reason = "no Ray cluster is running on this machine"
        raise UserError(
            f"{group}.ray_address={address}: {reason}; start one (`ray start --head`, and `ray start "
            f"--address=HOST:6379` on the other machines) and run this on one of them, or set {group}.ray_address=local"
        ) from error


def _knock(address: str, group: str) -> None:
    """Ray itself would try for a minute and then end the program."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise UserError(f"{group}.ray_address is '{address}'; it is auto, local or the head's HOST:PORT")
    try:
        socket.create_connection((host, int(port)), _KNOCK_SECONDS).close()
    except OSError as error:
        raise UserError(f"{group}.ray_address={address}: nobody answers there ({error}); is the head up?") from error


def _workers(ray: Any, n_workers: int | None) -> int:
    nodes = [node for node in ray.nodes() if node["Alive"]]
    cpus = int(ray.cluster_resources().get("CPU", 0))
    workers = n_workers or max(1, cpus)
    log.info("Ray cluster: nodes %d, CPUs %d; workers %d", len(nodes), cpus, workers)
    return workers


@contextlib.contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Starting a node of its own, the library takes over SIGTERM; the program's handler stays in force here."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
