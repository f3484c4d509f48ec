"""`genieredux demo`: the whole pipeline, and where what it made lies."""

import sys

from genieredux.cli.compose import compose_config
from genieredux.cli.manual import manual
from genieredux.cli.screen import say, wants_help

_SCHEMA = "genieredux.demo.config:DemoConfig"


def demo(words: list[str]) -> None:
    """Play, learn, measure, report."""
    if wants_help(words):
        about = "Play, learn, measure and report, end to end: for example genieredux demo out=runs/demo seed=0"
        return say(manual("demo [config=NAME] [key=value ...]", about, _SCHEMA, "demo"))
    config = compose_config("demo", _SCHEMA, words)
    from genieredux.demo import run_demo

    made = run_demo(config, command=["genieredux", "demo", *words])
    program = "python run.py" if sys.argv[0].endswith("run.py") else sys.argv[0]
    say(
        f"\nReport   {made.report}\nNumbers  {made.results}\nMoving   {made.film}\nWorld    {made.world}\n\n"
        f"Walk in it:\n  {program} play world={made.world}\n"
    )
