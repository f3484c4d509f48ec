"""A worker's seat on a Ray cluster: the actor that runs a worker in a process of its own.

Its class is made by a function, so that it travels to a node as a whole and nothing of the package is needed there to
receive it: what a node lacks, the seat can say.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any


@dataclass(frozen=True)
class Place:
    """Where a seat is. problem: why it cannot work there."""

    node: str = ""
    host: str = ""
    pid: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    problem: str = ""


def seat_class() -> Any:
    """The class of the actors, to be given to `ray.remote`."""

    class Seat:
        """One worker. It is seated once, then does one task after the other."""

        def sit(self, paths: Sequence[str], trade: Mapping[str, Any], home: str, cache: str) -> dict[str, Any]:
            """Get ready; `Place`'s fields. trade: those of a `Trade`. home: the node of who asks, whose `cache` is used
            there."""
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
                module, _, name = trade["worker"].partition(":")
                self._worker = getattr(importlib.import_module(module), name)(*trade["arguments"])
            except ImportError as error:
                return {**place, "problem": f"genieredux cannot be imported there ({error}); install it on every node"}
            for package in trade["packages"]:
                try:
                    versions[package] = importlib.metadata.version(package)
                except importlib.metadata.PackageNotFoundError:
                    continue
            return place

        def work(self, task: Any, baggage: Any) -> Iterator[Any]:
            """The messages of a task. baggage: what the worker unpacks before it, or None."""
            import ray

            from genieredux.errors import UserError
            from genieredux.runs.backends import Refused

            try:
                if baggage is not None:
                    self._worker.unpack(task, baggage, ray.get)
            except UserError as error:
                yield Refused(str(error))
            else:
                yield from self._worker.run(task)

    return Seat


def installed(packages: Iterable[str]) -> dict[str, str]:
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
