"""`genieredux genie_redux train|eval`: compose the configuration and call the job of the model it names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from genieredux.cli.compose import compose_config
from genieredux.cli.manual import manual
from genieredux.cli.screen import say, wants_help
from genieredux.errors import UserError

if TYPE_CHECKING:
    from genieredux.cli.schemas import GenieReduxCommand


SCHEMA = "genieredux.cli.schemas:GenieReduxCommand"


def genie_redux(words: list[str]) -> None:
    """Train or evaluate a model."""
    if wants_help(words):
        about = (
            "Train a tokenizer, a latent action model or a world, or measure one: for example genieredux genie_redux "
            "train config=tokenizer train.batch_size=4, or genie_redux eval eval=papers eval.model_fpath=FILE"
        )
        return say(manual("genie_redux train|eval [config=NAME] [key=value ...]", about, SCHEMA, "genie_redux"))
    if not words or words[0] not in ("train", "eval"):
        said = f"'{words[0]}'" if words else "nothing"
        raise UserError(f"genie_redux takes a mode, train or eval, and got {said}: genie_redux train config=NAME")
    command = compose_config("genie_redux", SCHEMA, _without_mode(words[0], words[1:]))
    from genieredux.cli.evaluate import evaluate  # torch: not for the help and not for a misspelt key

    if words[0] == "train":
        _train(command)
    else:
        evaluate(command)


def _without_mode(mode: str, words: Sequence[str]) -> list[str]:
    """The words without `--mode=...`, which an example of the published README repeats."""
    for word in words:
        if word.lstrip("-").startswith("mode=") and word.partition("=")[2] != mode:
            raise UserError(f"{word} contradicts genie_redux {mode}; leave it out")
    return [word for word in words if not word.lstrip("-").startswith("mode=")]


def _train(command: "GenieReduxCommand") -> None:
    from genieredux.training import train
    from genieredux.training.machine.devices import is_first_process

    try:
        result = train(command)
    except UserError as error:
        if is_first_process():
            raise
        raise SystemExit(2) from error  # the first of several processes says it
    if is_first_process():
        say(f"Model: {result.model_path} (step {result.last_step})\nBest:  {result.best_path}")
