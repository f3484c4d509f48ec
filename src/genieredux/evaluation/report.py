"""One HTML file that says what was made and how good it is, and needs nothing else: no network, no file
beside it.

Here the data of a run becomes the page; `sections.py` turns each part into plain values, `templates/` lays
them out. It computes no result of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from genieredux.evaluation import sections
from genieredux.evaluation.control import ControlGrid
from genieredux.evaluation.results import Evaluation
from genieredux.runs.files import write_atomically

MEDIA_BUDGET = 4_500_000  # characters of pictures; with it the page stays below 6 MB


@dataclass(frozen=True)
class Report:
    """What a page is made from. Only the first three are needed; a part without data is left out.

    title; summary: a sentence or two under it. evaluation: what was measured, on each test set.
    action_names: of the world. set_notes: a few words on each test set, by its name.
    control: dreams of held actions. training: records of log.jsonl by name of what was trained (each with
    `event`, `step` and numbers). config: nested plain values, or the YAML text. environment: as
    `runs.describe_environment` gives it. seconds: by stage, in order. commands: (what it does, shell line).
    facts: short (name, value) pairs for the head of the page, such as ("frames played", "120,000").
    """

    title: str
    summary: str
    evaluation: Evaluation
    action_names: tuple[str, ...] = ()
    set_notes: Mapping[str, str] = field(default_factory=dict)
    control: ControlGrid | None = None
    training: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    config: Mapping[str, Any] | str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    commands: Sequence[tuple[str, str]] = ()
    facts: Sequence[tuple[str, str]] = ()


def write_report(path: str | Path, report: Report) -> Path:
    """Write the page to `path` (whole or not at all) and return it. Raises UserError when it cannot be
    written.
    """
    text = render(report)
    return write_atomically(Path(path), lambda file: _write(file, text))


def render(report: Report) -> str:
    """The page as text: styles, script, charts and pictures inside."""
    evaluation = report.evaluation
    control = sections.control(report.control)
    budget = MEDIA_BUDGET - sections.weight(control)
    clips = sections.clips(evaluation, report.action_names, budget)
    return _template().render(
        report=report,
        config=evaluation.config,
        tiles=sections.tiles(evaluation),
        hero=sections.hero(clips),
        tables=sections.tables(evaluation, report.set_notes),
        curves=sections.curves(evaluation),
        delta=sections.delta_table(evaluation),
        delta_curves=sections.delta_curves(evaluation),
        clips=clips,
        control=control,
        training=sections.training(report.training),
        seconds=sections.seconds(report.seconds),
        machine=sections.machine(report.environment),
        config_text=sections.config_text(report.config),
        css=Markup(_asset("report.css")),
        script=Markup(_asset("report.js")),
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["db"] = lambda value: sections.number(value, 2)
    environment.filters["ssim"] = lambda value: sections.number(value, 3)
    environment.filters["signed"] = lambda value: sections.number(value, 2, signed=True)
    return environment.from_string(_asset("report.html.j2"))


def _asset(name: str) -> str:
    return (files("genieredux.evaluation") / "templates" / name).read_text(encoding="utf-8")


def _write(file: Any, text: str) -> None:
    file.write(text.encode())
