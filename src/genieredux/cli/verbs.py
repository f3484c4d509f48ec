"""Which verbs there are. What a verb needs is imported when it is called: torch is not for a list of games."""

from collections.abc import Callable
from importlib import import_module

from genieredux.checking import nearest
from genieredux.errors import UserError

VERBS: dict[str, list[tuple[str, str, str]]] = {
    "demo": [("demo", "play, learn, measure and report, end to end", "demo config=quickstart/coinrun")],
    "generate": [("generate", "play games and store the episodes", "generate config=quickstart/airstriker")],
    "genie_redux": [
        (
            "genie_redux train",
            "train a tokenizer, a latent action model or a world",
            "genie_redux train config=tokenizer",
        ),
        ("genie_redux eval", "measure one", "genie_redux eval eval=papers eval.model_fpath=FILE"),
    ],
    "agent57": [
        ("agent57 train", "train an agent that explores", "agent57 train config=quickstart/coinrun"),
        ("agent57 eval", "measure one beside random play", "agent57 eval eval.agent_fpath=FILE"),
    ],
    "auto_explore": [
        (
            "auto_explore train|eval",
            "an agent that goes where a world is unsure",
            "auto_explore train config=quickstart/coinrun",
        ),
        (
            "auto_explore loop",
            "explore, learn, evaluate, round after round",
            "auto_explore loop config=quickstart/coinrun rounds=2",
        ),
    ],
    "report": [("report RUN...", "compare evaluated runs on one page", "report outputs/evaluation")],
    "play": [
        ("play", "walk in a world in the browser", "play world=FILE port=8765"),
        ("play list", "the worlds that ship, with their cards", "play list"),
    ],
    "export": [
        (
            "export web",
            "static files: a world in the visitor's browser",
            "export web world=coinrun out=FOLDER",
        ),
    ],
    "data": [
        (
            "data info|verify|compact|index PATH",
            "describe, check, merge or re-index a data set",
            "data info datasets/coinrun_v0.0.0",
        ),
        ("data report PATH", "how good a data set is, game by game, as a page", "data report PATH out=FILE.html"),
        ("data convert|import-videos|export", "bring data in and out", "data import-videos FOLDER name=mygame"),
    ],
    "retroact": [
        ("retroact list|show|coverage", "which games there are, and which run here", "retroact list motion=h"),
        ("retroact import-roms|verify", "bring your own ROMs in, check them", "retroact import-roms FOLDER"),
        ("retroact probe GAME...", "annotate a game by playing it", "retroact probe Airstriker-Genesis"),
    ],
    "heads": [
        ("heads train|eval", "rewards and ends of a world's dreams", "heads train dataset=FOLDER out=world.pt"),
    ],
    "checkpoint": [
        ("checkpoint info FILE", "look into a model file", "checkpoint info model-3000.pt"),
        (
            "checkpoint import|world|export",
            "take over a published one, make one to play, export",
            "checkpoint export FILE out=FOLDER",
        ),
    ],
    "metrics": [("metrics list|check|convert-...", "which pretrained metrics can be measured here", "metrics list")],
    "doctor": [
        ("doctor [config=NAME]", "this machine, or what a training run would take on it", "doctor config=tokenizer"),
        ("doctor costs", "what all published runs would take on machines you describe", "doctor costs gpus=8"),
    ],
}
"""Verb -> (form, what it does, an example) for the help of the program. A verb is the function of its own name in the
module of its own name, and takes the words after the verb.
"""


def find(name: str) -> Callable[[list[str]], None]:
    """The function of a verb. Raises UserError, which names the nearest, where there is none."""
    if name not in VERBS:
        meant = " or ".join(f"'{words}'" for words in _having(name)) or f"'{nearest(name, VERBS)}'"
        raise UserError(f"there is no verb '{name}'; did you mean {meant}? (all: {', '.join(VERBS)})")
    verb: Callable[[list[str]], None] = getattr(import_module(f"genieredux.cli.{name}"), name)
    return verb


def _having(action: str) -> list[str]:
    """`VERB ACTION` of every verb that has such an action."""
    forms = [form.split() for lines in VERBS.values() for form, *_ in lines]
    return [f"{form[0]} {action}" for form in forms if action in "".join(form[1:2]).split("|")]


def overview() -> str:
    """The help of the program: every verb."""
    rows = [line for lines in VERBS.values() for line in lines]
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
