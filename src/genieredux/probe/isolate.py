"""Probing games each in a process of its own, which an emulator demands, and which it may take down with it. Knows no
game.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from multiprocessing.connection import Connection, wait
from typing import Any

import cv2

from genieredux.errors import UserError
from genieredux.probe.console import open_console
from genieredux.probe.finding import Finding
from genieredux.probe.play import ProbeConfig, annotate
from genieredux.runs.workers import Child, Gone

SILENCE_S = 300.0
"""An emulator that has not answered for so long hangs."""

News = Callable[[str, int], None]


def probe(
    games: Sequence[str], cfg: ProbeConfig, workers: int = 1, news: News = lambda _, __: None
) -> Iterator[tuple[str, Finding | UserError]]:
    """Each game with its finding, or with what went wrong, as they are done; `workers` games at a time.

    news: called with a game and how many of its states count so far. An emulator that dies costs its game alone.
    Leaving the iteration ends the processes.
    """
    waiting, running = list(games), dict[Any, tuple[str, Child]]()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                game = waiting.pop(0)
                child = Child("genieredux.probe.isolate:play", game, cfg)
                running[child.pipe] = (game, child)
            ready = wait(list(running), SILENCE_S)
            for pipe in [one for one in running if one in ready or not ready]:
                game, child = running[pipe]
                answer = _answer(child, game) if ready else _hung(game)
                if isinstance(answer, int):
                    news(game, answer)
                    continue
                del running[pipe]
                child.end(0.5)
                yield game, answer
    finally:
        for _, child in running.values():
            child.end()


def play(pipe: Connection, game: str, cfg: ProbeConfig) -> None:
    """In the child process: every int is news, the last message is the answer."""
    cv2.setNumThreads(1)
    try:
        with closing(open_console(game)) as machine:
            pipe.send(annotate(machine, cfg, pipe.send))
    except UserError as error:
        pipe.send(error)


def _answer(child: Child, game: str) -> int | Finding | UserError:
    try:
        message: int | Finding | UserError = child.receive()
    except Gone as death:
        return UserError(f"{game}: its emulator died ({death}) while it was played")
    return message


def _hung(game: str) -> UserError:
    return UserError(f"{game}: its emulator has not answered for {SILENCE_S:.0f} s")
