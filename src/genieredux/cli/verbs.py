"""Which verbs there are. What a verb needs is imported when it is called: torch is not for a list of games."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from genieredux.checking import nearest
from genieredux.errors import UserError


@dataclass(frozen=True)
class Verb:
    """function: "module:function" of this package, which takes the words after the verb. lines: (form, what it does,
    an example) for the help of the program.
    """

    function: str
    lines: tuple[tuple[str, str, str], ...]


VERBS = {
    "demo": Verb(
        "demo:demo", (("demo", "play, learn, measure and report, end to end", "demo config=quickstart/coinrun"),)
    ),
    "generate": Verb(
        "generate:generate",
        (("generate", "play games and store the episodes", "generate config=quickstart/airstriker"),),
    ),
    "genie_redux": Verb(
        "genie_redux:genie_redux",
        (
            (
                "genie_redux train",
                "train a tokenizer, a latent action model or a world",
                "genie_redux train config=tokenizer",
            ),
            ("genie_redux eval", "measure one", "genie_redux eval eval=papers eval.model_fpath=FILE"),
        ),
    ),
    "report": Verb(
        "report:report", (("report RUN...", "compare evaluated runs on one page", "report outputs/evaluation"),)
    ),
    "play": Verb("play:play", (("play", "walk in a world in the browser", "play world=FILE port=8765"),)),
    "data": Verb(
        "data:data",
        (
            (
                "data info|verify|compact|index PATH",
                "describe, check, merge or re-index a data set",
                "data info datasets/coinrun_v0.0.0",
            ),
            ("data report PATH", "how good a data set is, game by game, as a page", "data report PATH out=FILE.html"),
            ("data convert|import-videos|export", "bring data in and out", "data import-videos FOLDER name=mygame"),
        ),
    ),
    "retroact": Verb(
        "retroact:retroact",
        (
            ("retroact list|show|coverage", "which games there are, and which run here", "retroact list motion=h"),
            ("retroact import-roms|verify", "bring your own ROMs in, check them", "retroact import-roms FOLDER"),
            ("retroact probe GAME...", "annotate a game by playing it", "retroact probe Airstriker-Genesis"),
        ),
    ),
    "checkpoint": Verb(
        "checkpoint:checkpoint",
        (
            ("checkpoint info FILE", "look into a model file", "checkpoint info model-3000.pt"),
            (
                "checkpoint import|export",
                "take over a published one, write it for the Hub",
                "checkpoint export FILE out=FOLDER",
            ),
        ),
    ),
    "metrics": Verb(
        "metrics:metrics",
        (("metrics list|check|convert-...", "which pretrained metrics can be measured here", "metrics list"),),
    ),
    "doctor": Verb(
        "doctor:doctor",
        (("doctor [config=NAME]", "this machine, or what a training run would take on it", "doctor config=tokenizer"),),
    ),
}


def find(name: str) -> Callable[[list[str]], None]:
    """The function of a verb. Raises UserError, which names the nearest, where there is none."""
    if name not in VERBS:
        raise UserError(f"there is no verb '{name}'; did you mean '{nearest(name, VERBS)}'? (all: {', '.join(VERBS)})")
    module, _, function = VERBS[name].function.partition(":")
    verb: Callable[[list[str]], None] = getattr(import_module(f"genieredux.cli.{module}"), function)
    return verb


def overview() -> str:
    """The help of the program: every verb."""
    rows = [line for verb in VERBS.values() for line in verb.lines]
    lines = [f"  {form:<36}{about:<56}{example}" for form, about, example in rows]
    return "\n".join(
        [
            "usage: genieredux VERB [key=value ...]",
            "",
            *lines,
            "",
            "`genieredux VERB --help` lists a verb's configurations and every key, with type, default and a line.",
            "Any key of a configuration can be set: key=value. `genieredux --version` says which version this is.",
        ]
    )
