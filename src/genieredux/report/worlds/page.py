"""One HTML file that says how good one or many worlds are, and needs nothing else: no network, no file beside it.

A page is always made from the folders that evaluations left, so the page of an evaluation and that of `genieredux
report` on its folder are the same. The modules beside this one turn each part into values; the template worlds.html.j2
lays them out.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genieredux.errors import UserError
from genieredux.evaluation.tables import to_csv
from genieredux.report.html import number, render_page
from genieredux.report.worlds import curves, files, films, made, notes, parts, tables
from genieredux.report.worlds.folder import WORLD, Run, find_runs, read_run, run_names
from genieredux.report.worlds.paired import Paired, pair
from genieredux.report.worlds.words import PageWords, write_words
from genieredux.runs.files import write_text, write_together
from genieredux.runs.places import user_path

ONE_RUN, EACH_MORE, AT_MOST = 4_500_000, 2_000_000, 9_000_000
"""Characters of pictures, so that a page stays below 6 MB for one run and 10 MB for any number."""
_DREAMED = "What the game did, and what the world model dreamed from the same frames and actions."
KIND_NAMES = {
    "game": "By game",
    "console": "By console",
    "tag": "By tag",
    "policy": "By who played",
    "action": "By the action that led to the frame",
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


def write(folder: Path, words: PageWords | None = None) -> Path:
    """report.html of the evaluation in a folder, whole or not at all; `words` are kept there for the next time."""
    if words is not None:
        write_words(folder, words)
    return write_text(folder / "report.html", render([read_run(folder)]))


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
    page = user_path(out) if out else folders[0] / ("report.html" if len(runs) == 1 else "comparison.html")
    if page.suffix.lower() not in (".html", ".htm") or page.is_dir():
        raise UserError(f"out={page} is not the name of a page; end it in .html")
    paired = pair(runs, _baseline(runs, baseline))
    traps = notes.traps(runs)
    text = render(runs, paired, title)
    numbers = json.dumps(files.to_json(runs, paired, traps), indent=1)
    table = to_csv(files.COLUMNS, files.lines(runs, paired))
    beside_json, beside_csv = page.with_suffix(".json"), page.with_suffix(".csv")
    write_together({beside_json: numbers, beside_csv: table, page: text})
    return Compared(page, beside_json, beside_csv, tuple(runs), tuple(paired), tuple(traps))


def render(runs: Sequence[Run], paired: Sequence[Paired] = (), title: str | None = None) -> str:
    """The page as text: styles, script, charts and pictures inside. The same bytes for the same runs."""
    first, single = runs[0], len(runs) == 1
    sprites = films.Sprites(min(ONE_RUN + EACH_MORE * (len(runs) - 1), AT_MOST))
    values: dict[str, Any] = {
        "title": title or _title(runs),
        "summary": _summary(runs),
        "kind": first.kind,
        "facts": first.words.facts if single else (),
        "single": single,
        "runs": made.runs_list(runs),
        "baseline": paired[0].baseline.name if paired else "",
        "traps": notes.traps(runs),
        "protocol": _protocol(first),
        "kind_names": KIND_NAMES,
        "remarks": [*parts.absent(runs), *notes.few_samples(runs), *parts.codebooks(runs), *parts.seeds(runs)],
        "tiles": tables.tiles(first) if single else [],
        "at_a_glance": tables.at_a_glance(runs),
        "differences": tables.differences(paired),
        "why_not": [why for one in paired for why in one.why_not],
        "difference_curves": curves.difference_curves(paired, runs),
        "horizons": tables.horizons(runs),
        "curves": curves.horizon_curves(runs, "average"),
        "control_table": tables.control(runs),
        "control_curves": curves.horizon_curves(runs, "compare_at"),
        "confusion": parts.confusion(runs),
        "control": films.control_grids(runs, sprites, most_rows=3 if single else 1),
        "drift": parts.drift(runs),
        "drift_curves": curves.drift_curves(runs),
        "drift_strips": films.drift_strips(runs, sprites),
        "clips": (clips := films.clip_groups(runs, sprites)),
        "hero": films.hero(clips) if single else None,
        "top_entropy": films.top_entropy_words(runs),
        "calibration": parts.calibration(runs),
        "reliability": curves.reliability(runs),
        "breakdown": tables.breakdown(runs),
        "pooled": tables.pooled(runs),
        "training": curves.training(runs),
        "commands": made.commands(runs),
        "seconds": made.seconds(runs),
        "machine": made.machine(first) if single else [],
        "machines": None if single else made.machines(runs),
        "settings": None if single else made.settings(runs),
        "protocol_text": made.protocol_text(first),
        "config_text": made.config_text(first) if single else "",
    }
    return render_page("worlds", values, more_css=sprites.css())


def _baseline(runs: Sequence[Run], said: str | None) -> Run:
    if said is None:
        return runs[0]
    path = user_path(said).resolve()
    for run in runs:
        if said == run.name or path in (run.folder.resolve(), run.folder.resolve() / "results.json"):
            return run
    raise UserError(f"baseline={said} is none of the runs; choose one of {', '.join(run.name for run in runs)}")


def _summary(runs: Sequence[Run]) -> str:
    if len(runs) > 1:
        return notes.summary(runs)
    return runs[0].words.summary or (_DREAMED if runs[0].kind == WORLD else "")


def _title(runs: Sequence[Run]) -> str:
    if len(runs) == 1:
        data = runs[0].word("dataset", "name")
        by_default = f"{runs[0].folder.resolve().parent.name} on {data}" if data else runs[0].name
        return runs[0].words.title or by_default
    names = [run.name for run in runs]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) < 4 else f"{len(names)} runs compared"


def _protocol(run: Run) -> dict[str, Any]:
    first = next(iter(run.sets.values()))
    return {
        "prompt_frames": run.prompt_frames,
        "horizon": first.horizon,
        "interval": number(100 * first.interval, 0),
        "resamples": run.made("config").get("resamples", 2000),
        "compare_at": first.compare_at,
        "seed": run.made("config").get("seed"),
        "dreams": run.kind == WORLD,
    }
