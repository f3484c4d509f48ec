"""Probing games each in a process of its own, which an emulator demands, and which it may take down with it.

Processes are spawned, never forked: a forked child would inherit a live emulator. Knows no game.
"""

import multiprocessing as mp
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from genieredux.errors import UserError
from genieredux.probe.finding import Finding
from genieredux.probe.play import ProbeConfig, annotate

SILENCE_S = 300.0
"""An emulator that has not answered for so long hangs."""

_CONTEXT = mp.get_context("spawn")
News = Callable[[str, int], None]


def probe(
    games: Sequence[str], cfg: ProbeConfig, workers: int = 1, news: News = lambda _, __: None
) -> Iterator[tuple[str, Finding | UserError]]:
    """Each game with its finding, or with what went wrong, as they are done; `workers` games at a time.

    news: called with a game and how many of its states count so far. An emulator that dies costs its game alone.
    Leaving the iteration ends the processes.
    """
    waiting, running = list(games), dict[Connection, tuple[str, BaseProcess]]()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                game = waiting.pop(0)
                pipe, process = _start(game, cfg)
                running[pipe] = (game, process)
            ready = wait(list(running), SILENCE_S)
            for pipe in [one for one in running if one in ready or not ready]:
                game, process = running[pipe]
                answer = _answer(pipe, process, game) if ready else _hung(game)
                if isinstance(answer, int):
                    news(game, answer)
                    continue
                del running[pipe]
                _end(pipe, process)
                yield game, answer
    finally:
        for pipe, (_, process) in running.items():
            _end(pipe, process)


def _start(game: str, cfg: ProbeConfig) -> tuple[Connection, BaseProcess]:
    pipe, remote = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_serve, args=(remote, game, cfg), name=f"probe-{game}", daemon=True)
    process.start()
    remote.close()
    return pipe, process


def _serve(pipe: Connection, game: str, cfg: ProbeConfig) -> None:
    """In the worker: every int is news, the last message is the answer."""
    import cv2

    from genieredux.probe.console import open_console

    cv2.setNumThreads(1)
    try:
        machine = open_console(game)
        try:
            pipe.send(annotate(machine, cfg, pipe.send))
        finally:
            machine.close()
    except UserError as error:
        pipe.send(error)
    except (BrokenPipeError, KeyboardInterrupt):
        return  # nobody listens any more


def _answer(pipe: Connection, process: BaseProcess, game: str) -> int | Finding | UserError:
    try:
        message: int | Finding | UserError = pipe.recv()
    except (EOFError, OSError):
        process.join(5)
        return UserError(f"{game}: its emulator died (exit code {process.exitcode}) while it was played")
    return message


def _hung(game: str) -> UserError:
    return UserError(f"{game}: its emulator has not answered for {SILENCE_S:.0f} s")


def _end(pipe: Connection, process: BaseProcess) -> None:
    pipe.close()
    process.join(0.5)
    if process.is_alive():
        process.kill()
        process.join()
