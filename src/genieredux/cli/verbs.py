"""One function per verb: compose its configuration, call the job, print what it made."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from genieredux.cli.compose import compose_config, configurations
from genieredux.cli.schemas import GenerateCommand, GenieReduxCommand, PlayCommand
from genieredux.errors import UserError


def generate(words: list[str]) -> None:
    """Play games and store the episodes."""
    if _wants_help(words):
        return _help("generate", "config.connector.generator_config.n_sessions=10 root=datasets seed=0")
    from genieredux.collect import CollectConfig, collect

    command = compose_config("generate", GenerateCommand, words)
    summary = collect(CollectConfig(command.config.connector, command.root, command.seed))
    _say(
        f"{summary.path}: {summary.episodes} new episodes, {summary.frames} new frames in {summary.seconds:.0f} s "
        f"({summary.frames_per_second:.0f} frames/s); {summary.total_episodes} episodes, "
        f"{summary.total_frames} frames in all"
    )


def genie_redux(words: list[str]) -> None:
    """Train or evaluate a model."""
    modes = ("train", "eval")
    if _wants_help(words):
        return _help("genie_redux", "train.batch_size=4 tokenizer_fpath=FILE", "genie_redux train|eval")
    if not words or words[0] not in modes:
        said = f"'{words[0]}'" if words else "nothing"
        raise UserError(f"genie_redux takes a mode, train or eval, and got {said}: genie_redux train config=NAME")
    command = compose_config("genie_redux", GenieReduxCommand, words[1:])
    if words[0] == "train":
        _train(command)
    else:
        _evaluate(command)


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


def data(words: list[str]) -> None:
    """Describe, merge or re-index a data set."""
    from genieredux.episodes import Dataset, describe, rebuild_index
    from genieredux.episodes.compact import compact

    actions: dict[str, Callable[[str], str]] = {
        "info": lambda path: describe(Dataset.open(path)).to_text(),
        "compact": lambda path: str(compact(path)),
        "index": lambda path: f"{path}: {rebuild_index(path).num_rows} episodes in the index",
    }
    if _wants_help(words):
        _say("usage: genieredux data info|compact|index PATH")
        return
    if len(words) != 2 or words[0] not in actions:
        raise UserError("data takes an action and a data set: data info|compact|index datasets/NAME")
    _say(actions[words[0]](words[1]))


VERBS: dict[str, Callable[[list[str]], None]] = {
    "demo": demo,
    "generate": generate,
    "genie_redux": genie_redux,
    "play": play,
    "data": data,
}


def _train(command: GenieReduxCommand) -> None:
    from genieredux.models.build import KINDS, build_model
    from genieredux.training.jobs import train_dynamics, train_tokenizer

    if command.model not in KINDS:
        raise UserError(f"model is '{command.model}'; choose one of {', '.join(KINDS)}")
    train = train_tokenizer if command.model == "tokenizer" else train_dynamics
    result = train(command, build_model)
    _say(f"Model: {result.model_path} (step {result.last_step})\nBest:  {result.best_path}")


def _evaluate(command: GenieReduxCommand) -> None:
    from genieredux.evaluation.job import evaluate_file
    from genieredux.training.progress import ProgressLine

    dataset = f"{command.train.dataset_root_dpath.rstrip('/')}/{command.train.dataset_name}"
    with ProgressLine("evaluation", command.eval.num_clips, unit="clip") as line:
        made = evaluate_file(command.eval, dataset, lambda done, total, name: line.advance_to(done, total))
    _say(f"Report   {made.report}\nNumbers  {made.results}\nMoving   {made.film}")


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
