"""The crash sweep: end a command at its n-th operation on the disk, n = 1, 2, ..., and run it again.

    python tests/reliability/sweep.py [SCENARIO ...] [--stride 1] [--kinds kill,ENOSPC,EIO] [--truncate]

A scenario is a command and the files it leaves. For every n: the command is ended there (or its operation fails, once
or from there on); what it says is a line, never a traceback; the same command then finishes, and what it leaves is what
an undisturbed one leaves. `--truncate` cuts each file of a finished run to 0, 1, half and size - 1 bytes and runs the
commands that read it: a line with exit code 2, or a recovery. Prints a line per failure and a JSON summary; exit code 1
where anything failed. One process imports everything; each case is a fork of it.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import later_scenarios
import scenarios
from faults import Fault, install

HANG_SECONDS = 600.0
SCENARIOS = scenarios.SCENARIOS | later_scenarios.SCENARIOS


@dataclass
class Ended:
    """How a forked command ended: its exit code (negative: the signal), what it said, and what its fault met."""

    code: int
    said: str
    count: int = 0
    hit: str = ""


@dataclass
class Summary:
    """Of one scenario."""

    operations: int = 0
    cases: int = 0
    failures: list[str] = field(default_factory=list)


def main() -> int:
    """Sweep the scenarios that are named, or all."""
    options = _options()
    names = options.scenarios or list(SCENARIOS)
    scenarios.import_everything(names)
    total: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="sweep-", dir=_in_memory()) as place:
        for name in names:
            began = time.monotonic()
            summary = sweep(SCENARIOS[name], Path(place) / name, options)
            for failure in summary.failures:
                print(f"{name}: {failure}", flush=True)
            seconds = round(time.monotonic() - began, 1)
            total[name] = {**vars(summary), "failures": len(summary.failures), "seconds": seconds}
            print(json.dumps({name: total[name]}), flush=True)
    return 1 if any(found["failures"] for found in total.values()) else 0


def sweep(scenario: scenarios.Scenario, place: Path, options: argparse.Namespace) -> Summary:
    """Every fault of one scenario."""
    prepared, folder = place / "prepared", place / "work"
    prepared.mkdir(parents=True)
    in_folder(prepared, lambda: scenario.prepare() or 0)
    summary = Summary()

    def fresh() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(prepared, folder)

    fresh()
    whole = command(scenario, folder, Fault("kill", 0))
    if whole.code != 0:
        raise SystemExit(f"the undisturbed command ended with {whole.code}: {whole.said}")
    expected = result(scenario, folder)
    summary.operations = whole.count
    if options.truncate:
        finished = place / "finished"
        shutil.copytree(folder, finished)
        truncated(scenario, finished, folder, expected, summary)
        return summary
    for kind in options.kinds.split(","):
        for lasting in (False, True) if kind != "kill" else (False,):
            for n in range(options.first, whole.count + 1, options.stride):
                fresh()
                fault = Fault(kind, n, lasting)
                summary.cases += 1
                for problem in one(scenario, folder, fault, expected):
                    summary.failures.append(
                        f"{kind}{' for good' if lasting else ''} at {n} of {whole.count}: {problem}"
                    )
    return summary


def one(scenario: scenarios.Scenario, folder: Path, fault: Fault, expected: str) -> Iterator[str]:
    """What is wrong after one fault."""
    ended = command(scenario, folder, fault)
    if fault.kind == "kill":
        if ended.code not in (-signal.SIGKILL, 0):
            yield f"({ended.hit}) ended with {ended.code}: {ended.said[-300:]}"
    else:
        yield from (f"({ended.hit}) {problem}" for problem in ill_said(ended))
    again = command(scenario, folder, Fault("kill", 0))
    if again.code != 0 and not _is_done(again, scenario, folder, expected):
        yield f"({ended.hit}) the second run ended with {again.code}: {again.said[-400:]}"
    elif (found := result(scenario, folder)) != expected:
        yield f"({ended.hit}) the second run left something else: {found[:200]} instead of {expected[:200]}"


def _is_done(again: Ended, scenario: scenarios.Scenario, folder: Path, expected: str) -> bool:
    """Whether the second run refused to write over a whole result of the first, which was ended after it."""
    return again.code == 2 and " exists" in again.said and result(scenario, folder) == expected


def ill_said(ended: Ended) -> Iterator[str]:
    """What is wrong with how a failed command ended: only 0, and 2 with one last line, are right."""
    if ended.code not in (0, 2):
        yield f"ended with {ended.code}: {ended.said[-400:]}"
    elif "Traceback (most recent call last)" in ended.said:
        yield f"a traceback: {ended.said[-400:]}"
    elif ended.code == 2 and ended.said.count("genieredux: error: ") != 1:
        yield f"not one line: {ended.said[-400:]}"


def truncated(scenario: scenarios.Scenario, finished: Path, folder: Path, expected: str, summary: Summary) -> None:
    """Cut every kind of file that a run leaves."""
    for path in one_of_each_kind(finished):
        size = path.stat().st_size
        for length in sorted({0, 1, size // 2, max(size - 1, 0)}):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(finished, folder)
            os.truncate(folder / path.relative_to(finished), length)
            for words in (*scenario.readers, scenario.words):
                summary.cases += 1
                ended = run_words(words, folder, Fault("kill", 0), None if words else scenario.call)
                where = f"{path.relative_to(finished)} cut to {length} of {size} bytes, {' '.join(words[:3])}"
                summary.failures += [f"{where}: {problem}" for problem in ill_said(ended)]


def one_of_each_kind(folder: Path) -> Iterator[Path]:
    """One file of each name, numbers aside."""
    kinds: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            name = "".join(letter for letter in path.name if not letter.isdigit())
            kinds.setdefault(f"{path.parent.name}/{name}" if path.suffix != ".parquet" else name[-12:], path)
    yield from kinds.values()


def command(scenario: scenarios.Scenario, folder: Path, fault: Fault) -> Ended:
    """Run the scenario's command with a fault."""
    return run_words(scenario.words, folder, fault, scenario.call)


def run_words(words: tuple[str, ...], folder: Path, fault: Fault, call: Callable[[], Any] | None = None) -> Ended:
    """Run a command of genieredux (or what is called instead) in a fork, with its fault."""
    from genieredux.cli import main as program

    def go() -> int:
        if call is not None:
            program.find = lambda name: lambda given: call()  # the border of every command is that of the call too
        install(fault, folder)
        try:
            return program.run(list(words) or ["call"])
        finally:
            fault.busy = True
            (folder.parent / "met.json").write_text(json.dumps([fault.count, fault.hit]))

    met = folder.parent / "met.json"
    met.unlink(missing_ok=True)
    code, said = in_folder(folder, go)
    count, hit = json.loads(met.read_text()) if met.is_file() else (0, f"operation {fault.at}")
    return Ended(code, said, count, hit)


def in_folder(folder: Path, go: Callable[[], int]) -> tuple[int, str]:
    """Fork, run `go` there, and give (exit code or minus the signal, what it wrote to stdout and stderr)."""
    log = folder.parent / "said.txt"
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.chdir(folder)
        code = 1
        try:
            code = go()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    status = _wait(child)
    said = log.read_bytes().decode(errors="replace") if log.is_file() else ""
    return os.waitstatus_to_exitcode(status), said


def _wait(child: int) -> int:
    began = time.monotonic()
    while time.monotonic() - began < HANG_SECONDS:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.005)
    os.killpg(child, signal.SIGALRM)  # a hang shows as minus this signal
    return os.waitpid(child, 0)[1]


def result(scenario: scenarios.Scenario, folder: Path) -> str:
    """What the run left, as a text to compare; looked at in a fork, so that this process stays as it was."""
    code, said = in_folder(folder, lambda: print(scenario.look(), end="") or 0)
    return said if code == 0 else f"unreadable ({code}): {said[-300:]}"


def _in_memory() -> str | None:
    """A folder that flushes at once: faults stand in for the disk here, and waiting for a real one tells nothing."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, []])
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--kinds", default="kill,ENOSPC,EIO")
    parser.add_argument("--truncate", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
