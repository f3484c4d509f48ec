"""`genieredux report RUN...`: one page over evaluated runs, and where it is. No logic."""

from collections.abc import Sequence

from genieredux.cli.screen import say
from genieredux.errors import UserError

_USAGE = """\
usage: genieredux report RUN... [out=FILE.html] [title=TEXT] [baseline=RUN]

One HTML page for one or many evaluated runs, with FILE.json and FILE.csv beside it.
RUN       a folder with results.json, which genie_redux eval or demo wrote; one above such folders; or a glob
out       default: RUN/report.html for one run; comparison.html in the folder of the first of several
baseline  the run that the others are measured against; default: the first"""
_KEYS = ("out", "title", "baseline")


def report(words: list[str]) -> None:
    """Compare evaluated runs on a page."""
    if any(word in ("-h", "--help") for word in words):
        return say(_USAGE)
    runs, keys = _split(words)
    if not runs:
        raise UserError(
            "report takes the folder of an evaluation (or several): genieredux report RUN... [out=FILE.html]"
        )
    from genieredux.report import compare_runs

    made = compare_runs(runs, keys.get("out"), keys.get("title"), keys.get("baseline"))
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


def _split(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """(the runs; the keys)."""
    runs: list[str] = []
    keys: dict[str, str] = {}
    for word in words:
        key, equals, value = word.lstrip("-").partition("=")
        if not equals or "/" in key or "*" in key:
            runs.append(word)
        elif key not in _KEYS:
            raise UserError(f"report has no key '{key}'; its keys are {', '.join(_KEYS)}")
        elif key in keys or not value:
            raise UserError(f"report: {key}= {'is given twice' if key in keys else 'needs a value'}")
        else:
            keys[key] = value
    return runs, keys
