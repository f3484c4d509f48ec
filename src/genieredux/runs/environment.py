"""What a run was made with: versions, hardware, the commit of the code.

Reads the machine, changes nothing.
"""

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PACKAGES = (
    "genieredux",
    "torch",
    "lightning-fabric",
    "numpy",
    "pyarrow",
    "gymnasium",
    "stable-retro",
    "procgen-mirror",
    "torchmetrics",
    "hydra-core",
)


def describe_environment(command: Sequence[str] | None = None) -> dict[str, Any]:
    """Plain values for environment.json.

    `command`: the argument list to record, by default this process's.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(sys.argv if command is None else command),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": _versions(),
        "hardware": _hardware(),
        "git": _git_commit(Path(__file__).resolve().parents[1]),
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    if "genieredux" not in found:
        from genieredux import __version__

        found["genieredux"] = __version__
    return found


def cores() -> int:
    """How many CPU cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _hardware() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    torch = sys.modules.get("torch")  # a job that never needed torch must not pay for importing it here
    gpus: list[str] = []
    if torch is not None and torch.cuda.is_available():
        gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"cpu": _cpu_name(), "cores": cores(), "memory_gib": round(memory / 2**30, 1), "gpus": gpus}


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _git_commit(package: Path) -> dict[str, Any] | None:
    """The commit that holds `package`, or None when it is installed outside any repository."""

    def git(*arguments: str) -> str:
        answer = subprocess.run(
            ["git", "-C", str(package), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
        return answer.stdout.strip()

    try:
        # A virtual environment may lie inside somebody else's repository: ask whether git tracks this very
        # file.
        git("ls-files", "--error-unmatch", "__init__.py")
        return {"sha": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain", "--", "."))}
    except (OSError, subprocess.SubprocessError):
        return None
