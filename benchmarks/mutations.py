"""Would the tests notice? One wrong line at a time in the logic that headline numbers rest on.

    python benchmarks/mutations.py [--only NAME[,NAME]] [--list] [--again]

Each row of `mutants/` is a place, what stands there, what stands there instead, and the tests that must fail then,
tried in that order. The sources are copied aside; first the tests must pass there; then a mutant is applied to the
copy, its tests run, the copy is mended. What was found is kept in build/mutations.json, so that a run that was stopped
goes on (a mutant is tried again when its row, the mutated file or its tests have changed; --again: all). Exit code 1
where a mutant lives, where tests fail without one, or where a row no longer fits the sources: then mend the row.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

from mutants import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "build" / "mutations.json"
SECONDS = 180
"""Of computing; what waits without computing is ended after four times as long. A mutant that never ends is noticed."""


def main() -> int:
    """Try the mutants; say which live."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="names, or beginnings of names")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if not options.only or m.name.startswith(tuple(options.only.split(",")))]
    if options.list:
        print("\n".join(f"{m.name:32} {m.file}: {' '.join(m.old.split())[:70]}" for m in chosen))
        return 0
    misfits = [f"{m.name}: {problem}" for m in chosen if (problem := misfit(m))]
    known = json.loads(KEPT.read_text()) if KEPT.is_file() and not options.again else {}
    prepare_imports()
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        copy = Path(place) / "src"
        shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        keys = {m.name: digest(m) for m in chosen if not misfit(m)}
        open_ = [m for m in chosen if m.name in keys and not is_killed(known.get(m.name), keys[m.name])]
        red = [test for test in dict.fromkeys(test for m in open_ for test in m.tests) if run_tests((test,), copy)]
        for mutant in [m for m in open_ if not set(red) & set(m.tests)]:
            known[mutant.name] = {"of": keys[mutant.name], **tried(mutant, copy)}
            KEPT.parent.mkdir(exist_ok=True)
            KEPT.write_text(json.dumps(known, indent=1, sort_keys=True))
        living = [name for name, key in keys.items() if not is_killed(known.get(name), key)]
    for test in red:
        print(f"tests/{test} fails without any mutant, so that it can judge none")
    for line in misfits:
        print(f"does not fit the sources any more: {line}")
    print(f"{len(chosen) - len(misfits) - len(living)} of {len(chosen)} killed; living: {', '.join(living) or 'none'}")
    return 1 if living or misfits else 0


def is_killed(entry: dict[str, Any] | None, key: str) -> bool:
    """Whether what is known of a mutant is of the row, file and tests as they are, and that it was noticed."""
    return entry is not None and entry["of"] == key and entry["killed"]


def misfit(mutant: Mutant) -> str:
    """Why a row cannot be applied; empty where it can."""
    path = ROOT / "src/genieredux" / mutant.file
    if not path.is_file():
        return f"{mutant.file} is gone"
    count = path.read_text().count(mutant.old)
    if count != 1:
        return f"{mutant.file} has its text {count} times: {mutant.old!r}"
    gone = [test for test in mutant.tests if not (ROOT / "tests" / test).exists()]
    return f"there is no test {', '.join(gone)}" if gone else ""


def digest(mutant: Mutant) -> str:
    """Of the row, the file and the tests."""
    content = repr(mutant).encode() + (ROOT / "src/genieredux" / mutant.file).read_bytes()
    for test in mutant.tests:
        path = ROOT / "tests" / test
        content += b"".join(p.read_bytes() for p in (sorted(path.rglob("*.py")) if path.is_dir() else [path]))
    return hashlib.sha256(content).hexdigest()[:16]


def tried(mutant: Mutant, copy: Path) -> dict[str, Any]:
    """Apply it to the copy, run its tests in a fork, mend the copy."""
    path = copy / "genieredux" / mutant.file
    whole = path.read_text()
    began = time.monotonic()
    try:
        path.write_text(whole.replace(mutant.old, mutant.new))
        code = run_tests(mutant.tests, copy)
    finally:
        path.write_text(whole)
    killed = code == 1 or code < 0
    ended = "killed by the clock" if code < 0 else f"cannot be judged (pytest ended with {code})"
    word = {0: "LIVES", 1: "killed"}.get(code, ended)
    print(f"{mutant.name:32} {word} ({time.monotonic() - began:.0f} s)", flush=True)
    return {"killed": killed, "code": code}


def prepare_imports() -> None:
    """What every test imports besides this project, once for all forks."""
    import hypothesis
    import pyarrow.parquet
    import pytest
    import torch

    assert hypothesis
    assert pyarrow.parquet
    assert pytest
    torch.set_num_threads(1)


def run_tests(tests: tuple[str, ...], copy: Path) -> int:
    """pytest's exit code, of the first of the tests that does not end well: 1 where one failed; below 0 where they had
    to be ended.
    """
    child = os.fork()
    if child == 0:
        _run_here(tests, copy)
    began = time.monotonic()
    while time.monotonic() - began < 4 * SECONDS:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _run_here(tests: tuple[str, ...], copy: Path) -> NoReturn:
    import pytest

    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.chdir(ROOT)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    sys.path[:] = [p for p in sys.path if p != str(ROOT / "src")]
    words = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "-o", f"pythonpath=tests {copy}"]
    code = 0
    for test in tests:
        code = code or int(pytest.main([*words, f"tests/{test}"]))
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
