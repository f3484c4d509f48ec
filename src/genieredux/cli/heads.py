"""`genieredux heads ...`: what a step in a world earns and when its dreams end, learned from a data set."""

from typing import TYPE_CHECKING, Any

from genieredux.cli.actions import Action, act
from genieredux.cli.screen import say

if TYPE_CHECKING:
    from genieredux.training.heads.job import Found

NOTE = "docs/dream_env.md says what heads are, and how a function of your own takes their place."


def heads(words: list[str]) -> None:
    """Train or measure the heads of a world: rewards and ends."""
    act("heads", ACTIONS, words or ["--help"], NOTE)


def _train(paths: list[str], job: Any) -> None:
    from genieredux.training.heads import train_heads

    made = train_heads(job)
    _show(made.found)
    say(f"Run:   {made.run.model_path.parent}\nWorld: {made.world}")


def _eval(paths: list[str], job: Any) -> None:
    from genieredux.training.heads import measure_heads

    _show(measure_heads(job))


def _show(found: "Found") -> None:
    from genieredux.cli.tables import new_table, show

    numbers = ("share", "AUC", "avg. precision", "precision", "recall", "mean chance")
    table = new_table("held-out episodes", "happened", *numbers, right=numbers)
    for name, said in found.items():
        values = (said.base, said.auc, said.precision_mean, said.precision, said.recall, said.expected)
        table.add_row(name, f"{said.happened} of {said.count:,}", *(f"{value:.4f}" for value in values))
    show(table)


ACTIONS: dict[str, Action] = {
    "train": Action(
        "dataset=FOLDER out=FILE [world=FILE]",
        "learn rewards and ends from a data set; the world with its heads is a new file",
        _train,
        "genieredux.training.heads.config:HeadsJob",
        paths=(0, 0),
    ),
    "eval": Action(
        "world=FILE dataset=FOLDER",
        "how well they tell rewards and ends of held-out episodes",
        _eval,
        "genieredux.training.heads.config:HeadsEval",
        paths=(0, 0),
    ),
}
