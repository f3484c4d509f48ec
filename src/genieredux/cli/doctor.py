"""`genieredux doctor`: what there is on this machine, and what a training run of a configuration would take on it."""

import importlib.metadata
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genieredux.cli.compose import compose_config
from genieredux.cli.genie_redux import SCHEMA, check_parts, own_tokenizer
from genieredux.cli.manual import manual
from genieredux.cli.screen import say, wants_help
from genieredux.errors import UserError
from genieredux.runs import describe_environment

CONFIGURES = r"(--)?(config|model)="


def doctor(words: list[str]) -> None:
    """Look at the machine, or at what a run would take on it, or at what all of them would take on others."""
    if words[:1] == ["costs"]:
        from genieredux.cli.costs import costs

        return costs(words[1:])
    if wants_help(words):
        about = (
            "Without a configuration: versions, devices, memory, disk, ROMs, optional packages. With one of "
            "`genie_redux train` (and the keys that go with it): parameters, memory and time per step, measured by "
            "a few real steps here, and what will not fit. `doctor costs` is about other machines: doctor costs --help."
        )
        return say(manual("doctor [config=NAME] [key=value ...]", about, SCHEMA, "genie_redux"))
    words = list(words[2:] if words[:2] == ["genie_redux", "train"] else words)
    if not words:
        _say(_environment())
        return
    if not any(re.match(CONFIGURES, word) for word in words):
        raise UserError(f"doctor needs to know the configuration that '{words[0]}' is for; add config=NAME")
    _say(_diagnosis(compose_config("genie_redux", SCHEMA, own_tokenizer(words))))


def _environment() -> list[str]:
    import torch

    about = describe_environment()
    hardware = about["hardware"]
    lines = [f"python {about['python']} on {about['platform']}"]
    lines += [f"{name} {version}" for name, version in about["versions"].items()]
    commit = about["git"]
    if commit:
        lines.append(f"commit {commit['sha'][:12]}{' with changes' if commit['changed'] else ''}")
    lines.append(f"cpu: {hardware['cpu']}, {hardware['cores']} cores, {torch.get_num_threads()} threads of torch")
    lines.append(f"memory: {hardware['memory_gib']} GiB, {_available_gib():.1f} available")
    gpus = [
        f"{name} ({torch.cuda.get_device_properties(i).total_memory / 2**30:.0f} GiB)"
        for i, name in enumerate(hardware["gpus"])
    ]
    lines.append(f"gpu: {', '.join(gpus) or 'none'}")
    disk = shutil.disk_usage(Path.cwd())
    lines.append(f"disk here: {disk.free / 2**30:.1f} of {disk.total / 2**30:.1f} GiB free")
    lines.append(_roms())
    return [*lines, *_extras()]


def _roms() -> str:
    from genieredux.retroact import catalogue
    from genieredux.retroact.roms import present_roms

    return (
        f"ROMs: {len(present_roms())} of {len(catalogue())} games of RetroAct (genieredux retroact import-roms FOLDER)"
    )


def _extras() -> list[str]:
    """One line per optional extra of the package: what of it is there and what is missing."""
    needs: dict[str, list[str]] = {}
    for text in importlib.metadata.requires("genieredux") or []:
        match = re.match(r"([\w.-]+).*extra == [\"']([\w-]+)[\"']", text)
        if match and match.group(2) != "dev":
            needs.setdefault(match.group(2), []).append(match.group(1))
    lines = []
    for extra, packages in sorted(needs.items()):
        missing = [name for name in packages if _version(name) is None]
        there = ", ".join(f"{name} {_version(name)}" for name in packages if name not in missing)
        advice = f"missing: {', '.join(missing)} (pip install 'genieredux[{extra}]')" if missing else ""
        lines.append(f"extra {extra}: {'; '.join(part for part in (there, advice) if part)}")
    return lines


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _diagnosis(command: Any) -> list[str]:
    from genieredux.nn.memory import gib
    from genieredux.training.doctor import diagnose

    found = diagnose(command)
    lines = [f"{found.kind}, {found.trained:,} trained parameters; a run goes to {command.folder}"]
    lines += [f"  {name:<20} {count:>13,}" for name, count in found.parts.items()]
    lines += [f"note: {note}" for note in [*found.notes, *_missing(command)]]
    lines += [
        f"device: {found.device}, precision {found.precision}, measured with {found.batch}",
        f"a step: {_seconds(found.step_s)} ({command.train.batch_size} clips x {command.train.grad_accum}; "
        f"{found.flops / 1e12:.3g} TFLOP, MFU {100 * found.mfu:.0f} %)",
        f"{found.steps:,} steps: {_long(found.total_s)}, besides validation and checkpoints",
        f"memory: {gib(found.memory)} of {gib(found.memory_there)}",
    ]
    if found.token_cache is not None:
        lines.append(f"token cache: {gib(found.token_cache)}, {_long(found.encode_s or 0)} once")
    lines.append(f"checkpoints: {gib(found.checkpoints)} on disk, {gib(found.disk_free)} free")
    if command.train.num_processes > 1:
        lines.append(f"all this is of one of the {command.train.num_processes} processes")
    return [*lines, *[f"will not fit: {problem}" for problem in found.problems]]


def _missing(command: Any) -> list[str]:
    """What the run would need and is not there, with the line that makes it."""
    try:
        check_parts(command)
    except UserError as error:
        return [str(error)]
    return []


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.0f} ms"


def _long(seconds: float) -> str:
    for unit, length in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return _seconds(seconds)


def _available_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") / 2**30


def _say(lines: Sequence[str]) -> None:
    say("\n".join(lines))
