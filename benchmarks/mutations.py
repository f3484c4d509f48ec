"""Would the tests notice? One wrong line at a time in the logic that headline numbers rest on.

    python benchmarks/mutations.py [--only NAME[,NAME]] [--list] [--again]

Each row of `mutants/` is a place, what stands there, what stands there instead, and the tests that must fail then. The
sources are copied aside; first the tests must pass there, which also shows which of them enter the mutated function;
then a mutant is applied to the copy, its tests run (those that enter its function first, the quickest first; all of
them where these notice nothing), and the copy is mended. What was found is kept in build/mutations.json, so that a run
that was stopped goes on (a mutant is tried again when its row, the mutated file or its tests have changed; --again:
all). Exit code 1 where a mutant lives, where tests fail without one, or where a row no longer fits the sources: then
mend the row.
"""

import argparse
import compileall
import hashlib
import json
import os
import py_compile
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mutants import MUTANTS, Mutant
from mutants.trial import Entered, function_at, prepare_imports, run_tests, watch_tests

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "build" / "mutations.json"
MOST = 40
"""So many of the tests that enter a function are tried before all the others."""


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
    os.chdir(ROOT)
    prepare_imports()
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        copy = copied_sources(Path(place) / "src")
        keys = {m.name: digest(m) for m in chosen if not misfit(m)}
        open_ = [m for m in chosen if m.name in keys and not is_killed(known.get(m.name), keys[m.name])]
        red, entered = undisturbed(open_, copy, Path(place) / "entered.json")
        for mutant in [m for m in open_ if not red & set(m.tests)]:
            known[mutant.name] = {"of": keys[mutant.name], **tried(mutant, copy, entered)}
            KEPT.parent.mkdir(exist_ok=True)
            KEPT.write_text(json.dumps(known, indent=1, sort_keys=True))
        living = [name for name, key in keys.items() if not is_killed(known.get(name), key)]
    for test in sorted(red):
        print(f"tests/{test} fails without any mutant, so that it can judge none")
    for line in misfits:
        print(f"does not fit the sources any more: {line}")
    print(f"{len(chosen) - len(misfits) - len(living)} of {len(chosen)} killed; living: {', '.join(living) or 'none'}")
    return 1 if living or misfits or red else 0


def copied_sources(copy: Path) -> Path:
    """The sources, and their bytecode, which is taken only for the text that it was made of."""
    shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    compileall.compile_dir(copy, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    return copy


def undisturbed(mutants: list[Mutant], copy: Path, kept: Path) -> tuple[set[str], dict[str, Entered]]:
    """The tests that fail on sources that are right; of the others, what each enters."""
    red, entered = set(), {}
    for test in dict.fromkeys(test for m in mutants for test in m.tests):
        began = time.monotonic()
        code, entered[test] = watch_tests(f"tests/{test}", copy, kept)
        if code != 0:
            red.add(test)
        print(f"{test:48} {'passes' if code == 0 else 'FAILS'} ({time.monotonic() - began:.0f} s)", flush=True)
    return red, entered


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


def tried(mutant: Mutant, copy: Path, entered: dict[str, Entered]) -> dict[str, Any]:
    """Apply it to the copy, run its tests in a fork, mend the copy."""
    path = copy / "genieredux" / mutant.file
    whole = path.read_text()
    began = time.monotonic()
    name = function_at(whole, whole.index(mutant.old))
    first = telling(f"{mutant.file}:{name}", [entered[test] for test in mutant.tests]) if name else []
    try:
        path.write_text(whole.replace(mutant.old, mutant.new))
        code = run_tests(first, copy) if first else 0
        code = code or run_tests([f"tests/{test}" for test in mutant.tests], copy)
    finally:
        path.write_text(whole)
    killed = code == 1 or code < 0
    ended = "killed by the clock" if code < 0 else f"cannot be judged (pytest ended with {code})"
    word = {0: "LIVES", 1: "killed"}.get(code, ended)
    print(f"{mutant.name:32} {word} ({time.monotonic() - began:.0f} s)", flush=True)
    return {"killed": killed, "code": code}


def telling(function: str, entered: list[Entered]) -> list[str]:
    """The tests that enter a function, the quickest first."""
    seconds = {test: took for of in entered for test, (took, names) in of.items() if function in names}
    return sorted(seconds, key=seconds.__getitem__)[:MOST]


if __name__ == "__main__":
    sys.exit(main())
