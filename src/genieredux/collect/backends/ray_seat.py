"""A worker's seat on a Ray cluster: the actor that runs `collect.worker.Worker`, or another that plays, in a process of
its own.

Its class is made by a function, so that it travels to a node as a whole and nothing of the package is needed there to
receive it: what a node lacks, the seat can say.
"""

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from genieredux.envs import EnvConfig
from genieredux.envs.adapters import KINDS, adapter
from genieredux.errors import UserError
from genieredux.retroact.roms import import_roms, rom_path
from genieredux.runs.files import write_bytes

VERSIONS = (
    "genieredux",
    "numpy",
    "opencv-python-headless",
    "pyarrow",
    "gymnasium",
    *(package for kind in KINDS for package in adapter(kind).packages),
)
"""Packages whose version may change what is played or the bytes it is stored as."""

WORKER = "genieredux.collect.worker:Worker"
"""What plays in a seat of a collection."""


@dataclass(frozen=True)
class Place:
    """Where a seat is. problem: why it cannot play there."""

    node: str = ""
    host: str = ""
    pid: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    problem: str = ""


def seat_class() -> Any:
    """The class of the actors, to be given to `ray.remote`."""

    class Seat:
        """One worker. It is seated once, then plays one task after the other."""

        def sit(
            self, paths: Sequence[str], packages: Sequence[str], home: str, cache: str, worker: str = WORKER
        ) -> dict[str, Any]:
            """Get ready to play; `Place`'s fields. home: the node of who asks, whose `cache` of ROMs is used there.
            worker: the class, "module:Class", of what plays, `run(task)`, which says messages."""
            import os
            import sys

            here = os.getcwd()  # a `queue.py` of the working folder must not stand in for Python's own
            sys.path[:] = [path for path in sys.path if path and os.path.abspath(path) != here]
            sys.path += [path for path in paths if path not in sys.path and os.path.exists(path)]
            import importlib
            import importlib.metadata

            import ray

            context = ray.get_runtime_context()
            versions: dict[str, str] = {}
            where = {"node": context.get_node_id(), "host": ray.util.get_node_ip_address(), "pid": os.getpid()}
            place = {**where, "versions": versions}
            if context.get_node_id() == home and cache:
                os.environ["GENIEREDUX_CACHE"] = cache
            try:
                import cv2

                module, _, name = worker.partition(":")
                made = getattr(importlib.import_module(module), name)
            except ImportError as error:
                return {**place, "problem": f"genieredux cannot be imported there ({error}); install it on every node"}
            for package in packages:
                try:
                    versions[package] = importlib.metadata.version(package)
                except importlib.metadata.PackageNotFoundError:
                    continue
            cv2.setNumThreads(1)
            self._worker = made()
            return place

        def play(self, task: Any, rom: Any) -> Iterator[Any]:
            """The messages of a task, in which `rom` is None or a `Rom`."""
            import ray

            from genieredux.collect.backends.ray_seat import bring
            from genieredux.collect.tasks import Refused
            from genieredux.errors import UserError

            try:
                if rom is not None:
                    bring(task.env, rom, ray.get)
            except UserError as error:
                yield Refused(str(error))
            else:
                yield from self._worker.run(task)

    return Seat


@dataclass(frozen=True)
class Rom:
    """A ROM on its way. content: a reference to its bytes, which nobody fetches who has the same file. sha1: of it."""

    name: str
    sha1: str
    content: Any


def pack(env: EnvConfig, put: Any) -> Rom | None:
    """The ROM that a game needs which not every node may have; `put` turns bytes into a reference."""
    if env.kind != "retro" or "rom_folder" in env.options:
        return None
    try:
        path = rom_path(env.game)
    except UserError:
        return None
    if path is None:
        return None
    content = path.read_bytes()
    return Rom(path.name, _sha1(content), put(content))


def bring(env: EnvConfig, rom: Rom, fetch: Any) -> None:
    """Import the ROM here if it is not here yet, as `genieredux retroact import-roms` does."""
    here = rom_path(env.game)
    if here is not None and _sha1(here.read_bytes()) == rom.sha1:
        return
    with TemporaryDirectory(prefix="genieredux-rom-") as folder:
        write_bytes(Path(folder) / rom.name, fetch(rom.content))
        import_roms([folder])


def installed(packages: Iterable[str] = VERSIONS) -> dict[str, str]:
    """Package -> the version that is here, of those that are."""
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Why a node with these versions would not play the same; empty if it would."""
    for package, version in ours.items():
        there = theirs.get(package, "(none)")
        if version != there:
            return (
                f"it has {package} {there}, and this machine {version}, so the same seed would not give the same "
                "bytes; install the same versions on every node"
            )
    return ""


def reason(error: Exception, place: Place | None) -> str:
    """Ray's pages of explanation as a few words."""
    where = f" on node {place.host}" if place else ""
    text = str(error)
    if "its node has died" in text:
        return f"its node{' ' + place.host if place else ''} died"
    cause = getattr(error, "cause", None)
    if isinstance(cause, Exception):
        return f"{type(cause).__name__}: {' '.join(str(cause).split())}{where}"
    if isinstance(error, sys.modules["ray"].exceptions.RayActorError):
        return f"the actor{where} died"
    return f"{type(error).__name__}{where}"


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
