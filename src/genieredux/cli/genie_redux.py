"""`genieredux genie_redux train|eval`: compose the configuration and call the job of the model it names."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genieredux.cli.compose import compose_config
from genieredux.cli.declared import architectures, needs_tokenizer
from genieredux.cli.hints import check_dataset, check_tokenizer
from genieredux.cli.manual import manual
from genieredux.cli.screen import say, wants_help
from genieredux.errors import UserError

if TYPE_CHECKING:
    from genieredux.cli.schemas import GenieReduxCommand


DYNAMICS = ("genie_redux", "genie_redux_guided")
"""Kinds of models that need a tokenizer."""

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
    given = own_tokenizer(_without_mode(words[0], words[1:]))
    command = compose_config("genie_redux", SCHEMA, given)
    if words[0] == "train":
        check_architectures(command, given)
        try:
            check_parts(command)
        except UserError:
            from genieredux.training.kinds import check_job  # torch, for which a right command waits anyway

            check_job(command)  # a wrong value is said before what is missing
            raise
    from genieredux.cli.evaluate import evaluate  # torch: not for the help and not for a misspelt key

    if words[0] == "train":
        _train(command)
    else:
        evaluate(command)


def check_parts(command: "GenieReduxCommand") -> None:
    """Raises UserError, with the line that makes it, for a tokenizer or a data set that is not there."""
    of_tokens = command.kind in DYNAMICS and needs_tokenizer(command.dynamics.get("architecture"))
    if of_tokens and (command.tokenizer_fpath or not command.model_fpath):
        check_tokenizer(command.tokenizer_fpath)
    known = command.kind in (*DYNAMICS, "tokenizer", "latent_action_model")
    begun = (command.model_fpath, command.lam_fpath, command.tokenizer_fpath)
    if known and command.train.dataset_name and all(path is None or Path(path).exists() for path in begun):
        check_dataset(command.train.dataset_root_dpath, command.train.dataset_name)


def check_architectures(command: "GenieReduxCommand", given: Sequence[str]) -> None:
    """Raises UserError where words choose another architecture than the preset is for, which sets what that lacks."""
    words = dict(word.lstrip("-+").partition("=")[::2] for word in given)
    for part in ("tokenizer", "lam", "dynamics"):
        values, name = getattr(command, part), words.get(f"{part}.architecture", "")
        schema = architectures(part).get(name)
        if schema is None:
            continue
        known = {item.key for item in schema.fields("")} | {"architecture"}
        foreign = [f"{part}.{key}" for key in values if key not in known and f"{part}.{key}" not in words]
        if foreign:
            preset = f"config={words['config']}" if "config" in words else "the configuration"
            out = " ".join(f"'~{key}'" for key in foreign)
            raise UserError(
                f"{preset} sets {', '.join(foreign)}, which {part}.architecture={name} does not have; add {out} to "
                "leave it out"
            )


def own_tokenizer(words: Sequence[str]) -> list[str]:
    """The words, and that the tokenizer is the one inside the model, where they name a model and no tokenizer."""
    keys = {word.lstrip("-+").partition("=")[0] for word in words}
    brought = keys & {"model_fpath", "model_path"} and "tokenizer_fpath" not in keys
    return [*words, "~tokenizer_fpath"] if brought else [*words]


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
