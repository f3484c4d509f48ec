"""`genieredux report RUN...`: one page over evaluated runs, and where it is. No logic."""

from dataclasses import dataclass

from genieredux.checking import require
from genieredux.cli.manual import manual
from genieredux.cli.screen import say, wants_help
from genieredux.cli.words import read
from genieredux.config import FilePath, from_plain
from genieredux.errors import UserError

_ABOUT = (
    "One HTML page for one or many evaluated runs, with FILE.json and FILE.csv beside it. RUN is a folder with "
    "results.json, which genie_redux eval or demo wrote; one above such folders; or a glob"
)
_SCHEMA = "genieredux.cli.report:ReportOptions"


@dataclass(frozen=True)
class ReportOptions:
    """report."""

    out: FilePath | None = None
    """The page, FILE.html; null: RUN/report.html for one run, comparison.html in the folder of the first of several."""
    title: str | None = None
    """At the top of the page."""
    baseline: FilePath | None = None
    """The run that the others are measured against; null: the first."""


def report(words: list[str]) -> None:
    """Compare evaluated runs on a page."""
    if wants_help(words):
        return say(manual("report RUN... [key=value ...]", _ABOUT, _SCHEMA))
    given = read(words, _SCHEMA, once=True)
    if not given.paths:
        raise UserError(
            "report takes the folder of an evaluation (or several): genieredux report RUN... [out=FILE.html]"
        )
    for key, value in given.values.items():
        require(bool(value), key, value, "a value; leave it out for the default")
    options = from_plain(ReportOptions, given.values, "")
    from genieredux.report import compare_runs

    made = compare_runs(given.paths, options.out, options.title, options.baseline)
    lines = [f"note: {trap}" for trap in made.traps]
    for one in made.paired:
        lines += [f"note: {why}" for why in one.why_not]
        for name, (row, average, clips) in one.headlines().items():
            what = "PSNR" if row == "model" else "PSNR of the tokenizer"
            lines.append(
                f"{name}: {one.run.name} minus {one.baseline.name}: {what} {average.mean:+.2f} dB "
                f"({average.low:+.2f} to {average.high:+.2f}) on {clips}"
            )
    lines += [f"Report   {made.page}", f"Numbers  {made.numbers}", f"Table    {made.table}"]
    return say("\n".join(lines))
