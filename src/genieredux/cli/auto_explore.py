"""`genieredux auto_explore train|eval|loop`: compose the configuration, call the job, say what it made."""

from typing import TYPE_CHECKING

from genieredux.checking import nearest
from genieredux.cli.compose import compose_config
from genieredux.cli.manual import manual
from genieredux.cli.screen import say, wants_help
from genieredux.errors import UserError

if TYPE_CHECKING:
    from genieredux.explore.config import ExploreConfig

SCHEMA = "genieredux.explore.config:ExploreConfig"
MODES = ("train", "eval", "loop")


def auto_explore(words: list[str]) -> None:
    """Train an agent that goes where a world is unsure, look at one, or let agent and world improve each other."""
    if wants_help(words):
        about = (
            "Train an agent that goes where a world is unsure (train), look at one (eval), or explore, learn and "
            "evaluate in rounds (loop): for example genieredux auto_explore train config=quickstart/coinrun"
        )
        return say(manual("auto_explore train|eval|loop [config=NAME] [key=value ...]", about, SCHEMA, "auto_explore"))
    if not words or words[0] not in MODES:
        said = f"'{words[0]}'; did you mean {nearest(words[0], MODES)}?" if words else "nothing"
        raise UserError(f"auto_explore takes a mode, {', '.join(MODES)}, and got {said}")
    mode, given = words[0], words[1:]
    config = compose_config("auto_explore", SCHEMA, _of_loop(given) if mode == "loop" else given)
    if mode == "train":
        _train(config, ["genieredux", "auto_explore", *words])
    elif mode == "eval":
        _evaluate(config)
    else:
        _loop(config, ["genieredux", "auto_explore", *words])


def _of_loop(words: list[str]) -> list[str]:
    """`rounds=N` and `out=FOLDER`, as they are called below `loop.`."""
    return [f"loop.{word}" if word.partition("=")[0] in ("rounds", "out") else word for word in words]


def _train(config: "ExploreConfig", command: list[str]) -> None:
    from genieredux.explore.train import train

    result = train(config, command)
    run = result.model_path.parents[1]
    say(
        f"Agent  {result.model_path} (epoch {result.last_step})\nBest   {result.best_path}\n"
        f"Films  {run / 'outputs' / 'gifs'}\n\nLet it play for data:\n  genieredux generate ... "
        f"config.connector.variant=auto_explore config.connector.agent.checkpoint_fpath={result.best_path}"
    )


def _evaluate(config: "ExploreConfig") -> None:
    from genieredux.explore.evaluate import evaluate

    result = evaluate(config)
    rows = [f"{name:<18}{value:.4g}" for name, value in result.numbers.items()]
    files = [f"Numbers  {result.results}", f"Films    {result.gifs[0].parent} ({len(result.gifs)})"]
    say("\n".join([*rows, "", *files, f"Page     {result.page}"]))


def _loop(config: "ExploreConfig", command: list[str]) -> None:
    from genieredux.explore.loop import loop

    made = loop(config, command)
    say("\n".join([*made.lines, "", f"Report   {made.page}", f"World    {made.world}"]))
