"""One HTML file that says how good one or many worlds are, and needs nothing else: no network, no file beside it.

A page is always made from the folders that evaluations left, so an evaluation's own report.html and `genieredux report`
on its folder are the same. `page/` turns each part into plain values, `templates/` lays them out.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from genieredux.errors import UserError
from genieredux.evaluation.page import about, curves, films, notes, parts, tables
from genieredux.evaluation.page.files import to_csv, to_json
from genieredux.evaluation.page.paired import Paired, pair
from genieredux.evaluation.page.run import Run, find_runs, read_run, run_names
from genieredux.evaluation.page.values import set_names
from genieredux.pictures import base_css
from genieredux.runs.files import write_bytes

ONE_RUN, EACH_MORE, AT_MOST = 4_500_000, 2_000_000, 9_000_000
"""Characters of pictures, so that a page stays below 6 MB for one run and 10 MB for any number."""
_SUMMARY = "The same frames and actions, dreamed on by each of the worlds."


@dataclass(frozen=True)
class Report:
    """What the page of an evaluation says besides its numbers; all may be left out.

    title; summary: a sentence or two under it. set_notes: a few words on each test set, by its name. training: records
    of log.jsonl by name of what was trained (each with `event`, `step` and numbers). commands: (what it does, shell
    line). facts: short (name, value) pairs for the head of the page, such as ("frames played", "120,000").
    """

    title: str
    summary: str = ""
    set_notes: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    commands: Sequence[tuple[str, str]] = ()
    facts: Sequence[tuple[str, str]] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for page.json, from which the page can be made again; training as curves, thinned."""
        return {
            "title": self.title,
            "summary": self.summary,
            "set_notes": dict(self.set_notes),
            "training": curves.training_curves(self.training),
            "commands": [list(pair) for pair in self.commands],
            "facts": [list(pair) for pair in self.facts],
        }


@dataclass(frozen=True)
class Compared:
    """What `compare_runs` wrote. traps: why runs are hard to compare; paired: every run against the baseline."""

    page: Path
    numbers: Path
    table: Path
    runs: tuple[Run, ...]
    paired: tuple[Paired, ...]
    traps: tuple[str, ...]


def compare_runs(
    words: Sequence[str], out: str | None = None, title: str | None = None, baseline: str | None = None
) -> Compared:
    """The page of the runs that `words` mean, with JSON and CSV of the same name beside it.

    out: by default report.html in the folder of a single run, comparison.html in that of the first of several.
    baseline: the run that others are measured against, by folder or name; by default the first. Raises UserError for
    what is no evaluated run; nothing is written then.
    """
    folders = find_runs(words)
    runs = [read_run(folder, name) for folder, name in zip(folders, run_names(folders), strict=True)]
    page = Path(out) if out else folders[0] / ("report.html" if len(runs) == 1 else "comparison.html")
    if page.suffix.lower() not in (".html", ".htm") or page.is_dir():
        raise UserError(f"out={page} is not the name of a page; end it in .html")
    against = _baseline(runs, baseline)
    paired = pair(runs, against)
    text = render(runs, paired, title)
    traps = notes.traps(runs)
    numbers = json.dumps(to_json(runs, paired, traps), indent=1).encode()
    table = to_csv(runs, paired).encode()
    beside_json = write_bytes(page.with_suffix(".json"), numbers)
    beside_csv = write_bytes(page.with_suffix(".csv"), table)
    write_bytes(page, text.encode())
    return Compared(page, beside_json, beside_csv, tuple(runs), tuple(paired), tuple(traps))


def write_report(folder: Path) -> Path:
    """report.html of the evaluation in a folder, whole or not at all."""
    return write_bytes(folder / "report.html", render([read_run(folder)]).encode())


def render(runs: Sequence[Run], paired: Sequence[Paired] = (), title: str | None = None) -> str:
    """The page as text: styles, script, charts and pictures inside. The same bytes for the same runs."""
    first, single = runs[0], len(runs) == 1
    sprites = films.Sprites(min(ONE_RUN + EACH_MORE * (len(runs) - 1), AT_MOST))
    control = films.control_grids(runs, sprites, most_rows=3 if single else 1)
    drift_strips = films.drift_strips(runs, sprites)
    clips = films.clip_groups(runs, sprites)
    names = set_names(runs)
    return _template().render(
        title=title or _title(runs),
        summary=first.page.get("summary", "") if single else _SUMMARY,
        facts=first.page.get("facts", ()) if single else (),
        single=single,
        runs=about.runs_list(runs),
        baseline=paired[0].baseline.name if paired else "",
        traps=notes.traps(runs),
        few_samples=notes.few_samples(runs),
        tiles=tables.tiles(first) if single else [],
        hero=films.hero(clips) if single else None,
        headline=tables.headline(runs),
        differences=tables.differences(paired),
        why_not=[why for one in paired for why in one.why_not],
        difference_curves=[chart for name in names for chart in curves.difference_curves(paired, runs, name)],
        horizons=tables.horizons(runs),
        curves=[chart for name in names for chart in curves.horizon_curves(runs, name)],
        delta=tables.delta(runs),
        delta_curves=curves.delta_curves(runs),
        confusion=parts.confusion(runs),
        control=control,
        clips=clips,
        top_entropy=films.top_entropy_words(runs),
        drift=parts.drift(runs),
        drift_curves=[chart for name in names for chart in curves.drift_curves(runs, name)],
        drift_strips=drift_strips,
        calibration=parts.calibration(runs),
        reliability=[chart for name in names for chart in curves.reliability(runs, name)],
        breakdown=parts.breakdown(runs),
        networks=parts.networks(runs),
        absent=parts.absent(runs),
        seeds=parts.seeds(runs),
        codebooks=parts.codebooks(runs),
        training=curves.training(runs),
        commands=about.commands(runs),
        seconds=about.seconds(runs),
        machine=about.machine(first) if single else [],
        machines=None if single else about.machines(runs),
        settings=None if single else about.settings(runs),
        protocol=_protocol(first),
        protocol_text=about.protocol_text(first),
        config_text=about.config_text(first) if single else "",
        sprites=Markup(sprites.css()),
        css=Markup(base_css() + _asset("report.css")),
        script=Markup(_asset("report.js")),
    )


def _baseline(runs: Sequence[Run], said: str | None) -> Run:
    if said is None:
        return runs[0]
    path = Path(said).resolve()
    for run in runs:
        if said == run.name or path in (run.folder.resolve(), run.folder.resolve() / "results.json"):
            return run
    raise UserError(f"baseline={said} is none of the runs; choose one of {', '.join(run.name for run in runs)}")


def _title(runs: Sequence[Run]) -> str:
    if len(runs) == 1:
        data = (runs[0].made_by.get("dataset") or {}).get("name")
        return str(
            runs[0].page.get("title") or (f"{runs[0].folder.resolve().parent.name} on {data}" if data else runs[0].name)
        )
    names = [run.name for run in runs]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) < 4 else f"{len(names)} runs compared"


def _protocol(run: Run) -> dict[str, Any]:
    found = next(iter(run.sets.values()))
    protocol = run.protocol
    return {
        "prompt_frames": run.prompt_frames,
        "horizon": len(found["psnr"][run.row(next(iter(run.sets)))]),
        "interval": round(100 * found["interval"]),
        "resamples": protocol.get("resamples", 2000),
        "compare_at": found.get("compare_at"),
        "seed": protocol.get("seed"),
    }


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset("report.html.j2"))


def _asset(name: str) -> str:
    return (files("genieredux.evaluation") / "templates" / name).read_text(encoding="utf-8")
