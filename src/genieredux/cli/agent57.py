"""`genieredux agent57 train|eval`: compose the configuration and call the job."""

from genieredux.cli.compose import compose_config
from genieredux.cli.manual import manual
from genieredux.cli.screen import say, wants_help
from genieredux.errors import UserError

SCHEMA = "genieredux.agent57.config:Agent57Config"


def agent57(words: list[str]) -> None:
    """Train an agent that explores, or measure one."""
    if wants_help(words):
        about = (
            "Train an Agent57, or measure one: for example genieredux agent57 train config=quickstart/coinrun "
            "actors.processes=2, or genieredux agent57 eval config=quickstart/coinrun eval.agent_fpath=FILE"
        )
        return say(manual("agent57 train|eval [config=NAME] [preset=NAME] [key=value ...]", about, SCHEMA, "agent57"))
    if not words or words[0] not in ("train", "eval"):
        said = f"'{words[0]}'" if words else "nothing"
        raise UserError(f"agent57 takes a mode, train or eval, and got {said}: agent57 train config=NAME")
    command = compose_config("agent57", SCHEMA, words[1:])
    from genieredux.agent57 import run  # torch: not for the help and not for a misspelt key

    if words[0] == "train":
        result = run.train(command)
        return say(f"Agent: {result.model_path} (update {result.last_step})\nBest:  {result.best_path}")
    for score in run.evaluate(command):
        say(score.line())
