"""Tests run on a copy of the sources, each time in a fork; and which test enters which function of it.

It knows nothing of the table: it is given files of tests, or single tests, and says how pytest ended.
"""

import ast
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NoReturn

import pytest

SECONDS = 180
"""Of computing; what waits without computing is ended after four times as long. A mutant that never ends is noticed."""
Entered = dict[str, tuple[float, set[str]]]
"""Of every test: its seconds, and the functions ("file:name") that it entered."""


def prepare_imports() -> None:
    """What every test imports besides this project, once for all forks."""
    import hypothesis
    import pyarrow.parquet
    import torch

    assert hypothesis
    assert pyarrow.parquet
    torch.set_num_threads(1)


def function_at(source: str, place: int) -> str:
    """The qualified name of the innermost function whose body holds a place (a character's number); empty where what
    stands there is run by an import.
    """
    line = source.count("\n", 0, place) + 1
    name, scope, body = "", "", ast.parse(source).body
    while inner := next((n for n in _definitions(body) if n.body[0].lineno <= line <= (n.end_lineno or 0)), None):
        is_class = isinstance(inner, ast.ClassDef)
        name = "" if is_class else scope + inner.name
        scope += inner.name + ("." if is_class else ".<locals>.")
        body = inner.body
    return name


def _definitions(body: Sequence[ast.AST]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node
        elif not isinstance(node, ast.expr):
            yield from _definitions(list(ast.iter_child_nodes(node)))


class Watch:
    """A plugin of pytest that writes down, for each test, its seconds and the functions of a copy that it entered."""

    def __init__(self, copy: Path):
        self._root = f"{copy / 'genieredux'}{os.sep}"
        self._names: dict[CodeType, str] = {}
        self.entered: Entered = {}
        self._now: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Follow the calls of one test, its fixtures included."""
        self._now, began = set(), time.monotonic()
        threading.settrace(self._called)
        sys.settrace(self._called)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            self.entered[item.nodeid] = (time.monotonic() - began, self._now)

    def _called(self, frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        name = self._names.get(code)
        if name is None:
            file = code.co_filename
            own = file.startswith(self._root)
            name = self._names[code] = f"{file[len(self._root) :]}:{code.co_qualname}" if own else ""
        if name:
            self._now.add(name)


def run_tests(tests: Sequence[str], copy: Path) -> int:
    """pytest's exit code for some tests: 1 where one failed; below 0 where they had to be ended."""
    return _forked(lambda: _run_here(tests, copy, []))


def watch_tests(test: str, copy: Path, kept: Path) -> tuple[int, Entered]:
    """pytest's exit code for one file or folder of tests, and what each test entered (nothing where they failed)."""

    def run() -> int:
        watch = Watch(copy)
        code = _run_here([test], copy, [watch])
        kept.write_text(json.dumps({name: (seconds, sorted(of)) for name, (seconds, of) in watch.entered.items()}))
        return code

    kept.unlink(missing_ok=True)
    code = _forked(run)
    if code != 0:
        return run_tests([test], copy), {}
    entered = json.loads(kept.read_text())
    return code, {name: (seconds, set(of)) for name, (seconds, of) in entered.items()}


def _forked(run: Callable[[], int]) -> int:
    child = os.fork()
    if child == 0:
        _end_with(run)
    began = time.monotonic()
    while time.monotonic() - began < 4 * SECONDS:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _end_with(run: Callable[[], int]) -> NoReturn:
    code = 3
    try:
        code = run()
    finally:
        os._exit(code)


def _run_here(tests: Sequence[str], copy: Path, plugins: list[Any]) -> int:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    sources = str(Path.cwd() / "src")
    sys.path[:] = [p for p in sys.path if p != sources]
    words = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "-o", f"pythonpath=tests {copy}"]
    code = 0
    for part in [tests] if "::" in tests[0] else [[test] for test in tests]:
        code = code or int(pytest.main([*words, *part], plugins))
    return code
