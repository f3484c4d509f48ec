"""One function per verb: compose its configuration, call the job, print what it made."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from genieredux.cli.checkpoint import checkpoint
from genieredux.cli.compose import compose_config, configurations
from genieredux.cli.data import data
from genieredux.cli.doctor import doctor
from genieredux.cli.evaluate import evaluate
from genieredux.cli.metrics import metrics
from genieredux.cli.report import report
from genieredux.cli.retroact import retroact
from genieredux.cli.schemas import GenerateCommand, GenieReduxCommand, PlayCommand
from genieredux.errors import UserError


def generate(words: list[str]) -> None:
    """Play games and store the episodes."""
    if _wants_help(words):
        return _help("generate", "config.connector.generator_config.n_sessions=10 root=datasets seed=0")
    from genieredux.collect import CollectConfig, collect
    from genieredux.collect.backends.choice import chosen
    from genieredux.episodes import Dataset, quality

    command = compose_config("generate", GenerateCommand, words)
    connector = command.config.connector
    with chosen(command.collect, connector.generator_config.n_workers) as make_backend:
        summary = collect(CollectConfig(connector, command.root, command.seed), make_backend=make_backend)
    _say(
        f"{summary.path}: {summary.episodes} new episodes, {summary.frames} new frames in {summary.seconds:.0f} s "
        f"({summary.frames_per_second:.0f} frames/s); {summary.total_episodes} episodes, "
        f"{summary.total_frames} frames in all"
    )
    for line in quality.brief(Dataset.open(summary.path)):
        _say(line)


def genie_redux(words: list[str]) -> None:
    """Train or evaluate a model."""
    modes = ("train", "eval")
    if _wants_help(words):
        return _help(
            "genie_redux",
            "train.batch_size=4 tokenizer_fpath=FILE, or eval=papers eval.model_fpath=FILE",
            "genie_redux train|eval",
        )
    if not words or words[0] not in modes:
        said = f"'{words[0]}'" if words else "nothing"
        raise UserError(f"genie_redux takes a mode, train or eval, and got {said}: genie_redux train config=NAME")
    command = compose_config("genie_redux", GenieReduxCommand, _without_mode(words[0], words[1:]))
    if words[0] == "train":
        _train(command)
    else:
        evaluate(command)


def demo(words: list[str]) -> None:
    """The whole pipeline."""
    if _wants_help(words):
        return _help("demo", "out=runs/demo seed=0")
    from genieredux.demo import DemoConfig, run_demo

    made = run_demo(compose_config("demo", DemoConfig, words), command=["genieredux", "demo", *words])
    _say(
        f"\nReport   {made.report}\nNumbers  {made.results}\nMoving   {made.film}\nWorld    {made.world}\n\n"
        f"Walk in it:\n  {_program()} play world={made.world}\n"
    )


def play(words: list[str]) -> None:
    """Walk in a world in the browser."""
    if _wants_help(words):
        return _help("play", "world=FILE port=8765 browser=false fps=15")
    from genieredux.models.world_file import load_world, shipped_world
    from genieredux.play import serve

    command = compose_config("play", PlayCommand, words)
    path = Path(command.world) if command.world else shipped_world()
    world, prompts = load_world(path)
    if not prompts:
        raise UserError(f"{path} carries no prompts to begin from; give a world.pt that `genieredux demo` wrote")
    world.sampling = world.sampling.changed(command.steps, command.temperature, command.choice)
    serve(world, prompts, command.port, command.browser, command.fps, name=path.stem, announce=_say)


VERBS: dict[str, Callable[[list[str]], None]] = {
    "demo": demo,
    "generate": generate,
    "genie_redux": genie_redux,
    "play": play,
    "data": data,
    "retroact": retroact,
    "checkpoint": checkpoint,
    "metrics": metrics,
    "doctor": doctor,
    "report": report,
}


def _without_mode(mode: str, words: Sequence[str]) -> list[str]:
    """The words without `--mode=...`, which an example of the published README repeats."""
    for word in words:
        if word.lstrip("-").startswith("mode=") and word.partition("=")[2] != mode:
            raise UserError(f"{word} contradicts genie_redux {mode}; leave it out")
    return [word for word in words if not word.lstrip("-").startswith("mode=")]


def _train(command: GenieReduxCommand) -> None:
    from genieredux.models.build import build_model
    from genieredux.training.devices import is_first_process
    from genieredux.training.jobs import MODEL_NAMES, train_dynamics, train_tokenizer
    from genieredux.training.latent_jobs import train_genie_redux, train_latent_actions

    trainers = {
        "tokenizer": train_tokenizer,
        "latent_action_model": train_latent_actions,
        "genie_redux": train_genie_redux,
        "genie_redux_guided": train_dynamics,
    }
    if command.kind not in trainers:
        raise UserError(f"model is '{command.model}'; choose one of {', '.join([*trainers, *MODEL_NAMES])}")
    try:
        result = trainers[command.kind](command, build_model)
    except UserError as error:
        if is_first_process():
            raise
        raise SystemExit(2) from error  # the first of several processes says it
    if is_first_process():
        _say(f"Model: {result.model_path} (step {result.last_step})\nBest:  {result.best_path}")


def _wants_help(words: Sequence[str]) -> bool:
    return any(word in ("-h", "--help") for word in words)


def _help(verb: str, keys: str, usage: str = "") -> None:
    names = "\n  ".join(configurations(verb)) or "(none)"
    _say(f"usage: genieredux {usage or verb} [config=NAME] [key=value ...]\nfor example {keys}\n\nconfig:\n  {names}")


def _program() -> str:
    return "python run.py" if sys.argv[0].endswith("run.py") else sys.argv[0]


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
