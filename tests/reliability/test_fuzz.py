"""The fuzzer, a few cases of each kind (docs/reliability.md gives the command of a long run): no traceback, no hang."""

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).with_name("fuzz.py")
KINDS = ("words", "yaml", "data", "checkpoint", "results", "socket")
SHORT = ("words", "checkpoint")


def fuzzed(kind: str, cases: int, seed: int) -> None:
    words = [sys.executable, str(FUZZ), kind, "--cases", str(cases), "--seed", str(seed)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.parametrize("kind", SHORT)
def test_a_few_cases(kind: str) -> None:
    fuzzed(kind, 10, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_cases(kind: str) -> None:
    fuzzed(kind, 1500, seed=1)
