"""`genieredux demo`: the whole pipeline, and where what it made lies."""

import sys

from genieredux.cli.compose import compose_config
from genieredux.cli.screen import say, say_usage, wants_help


def demo(words: list[str]) -> None:
    """Play, learn, measure, report."""
    if wants_help(words):
        return say_usage("demo", "out=runs/demo seed=0")
    from genieredux.demo import DemoConfig, run_demo

    made = run_demo(compose_config("demo", DemoConfig, words), command=["genieredux", "demo", *words])
    program = "python run.py" if sys.argv[0].endswith("run.py") else sys.argv[0]
    say(
        f"\nReport   {made.report}\nNumbers  {made.results}\nMoving   {made.film}\nWorld    {made.world}\n\n"
        f"Walk in it:\n  {program} play world={made.world}\n"
    )
