"""`genieredux retroact probe ...`: games annotated by playing them, as tables or JSON. No logic of its own."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape

from genieredux.checking import within
from genieredux.cli.screen import say
from genieredux.cli.tables import new_table, show
from genieredux.config import FilePath
from genieredux.errors import UserError
from genieredux.probe import Agreement, Finding, ProbeConfig, agreement, probe, write_strip
from genieredux.probe.verdicts import UNSURE, Verdict
from genieredux.retroact import resolve
from genieredux.retroact.roms import present_roms
from genieredux.retroact.words import CONTROLS

_ALL = "all"


@dataclass(frozen=True)
class ProbeOptions(ProbeConfig):
    """retroact probe."""

    workers: int = 1
    """Processes."""
    format: Literal["table", "json"] = "table"
    """How the findings are written."""
    out: FilePath | None = None
    """A picture of the evidence, FILE.png; for several games a folder of pictures."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within("workers", self.workers, 1, 65_536)


def run_probe(names: Sequence[str], options: ProbeOptions) -> None:
    """Probe the named games and print. Raises `UserError` at bad input, and where no game could be probed."""
    cfg = ProbeConfig(options.states, options.seed)
    games = _games(names)
    out = Path(options.out) if options.out else None
    if out and len(games) == 1 and out.suffix.lower() != ".png":
        raise UserError(f"out={out}: the picture of one game is a PNG; write out={out}.png")
    findings, failed = [], []
    for game, answer in _probed(games, cfg, options.workers):
        if isinstance(answer, UserError):
            if len(games) == 1:
                raise answer
            failed.append(str(answer))
            continue
        findings.append(answer)
        if out:
            write_strip(answer, out if len(games) == 1 else out / f"{game}.png")
    findings.sort(key=lambda one: one.game)
    if not findings:
        raise UserError("no game could be probed: " + "; ".join(failed))
    if options.format == "json":
        one = findings[0].plain()
        many = {"games": [each.plain() for each in findings], "agreement": agreement(findings).plain()}
        return say(json.dumps(one if len(games) == 1 else {**many, "failed": failed}, indent=1))
    if len(games) == 1:
        _show_one(findings[0])
    else:
        _show_many(findings)
        _show_agreement(agreement(findings))
    for line in failed:
        say(f"Not probed: {line}")
    if out:
        say(f"\n{'Picture' if len(games) == 1 else 'Pictures'}: {out}")


def _games(names: Sequence[str]) -> list[str]:
    if _ALL in names:
        return [resolve(game).name for game in sorted(present_roms())]
    return list(dict.fromkeys(resolve(name).name for name in names))


def _probed(games: Sequence[str], cfg: ProbeConfig, workers: int) -> Iterator[tuple[str, Finding | UserError]]:
    """As `probe`, telling a terminal how far it is."""
    done = dict.fromkeys(games, 0)
    with Console(stderr=True).status("Playing") as status:

        def news(game: str, states: int) -> None:
            done[game] = states
            share = sum(done.values()) / (cfg.states * len(games))
            status.update(f"Playing {escape(game)}: {states} of {cfg.states} states; {share:.0%} of all")

        for game, answer in probe(games, cfg, workers, news):
            done[game] = cfg.states
            yield game, answer


def _show_one(finding: Finding) -> None:
    label = resolve(finding.game)
    say(f"{finding.game}, played from {finding.states} saved states ({finding.tried} tried, {finding.seconds:.0f} s)\n")
    say(f"  motion              {_told(finding.motion)}   (labelled {label.motion} by {label.labelled_by})")
    say(f"  scenery scrolls     {_told(finding.scrolls)}")
    say(f"  background changes  {_told(finding.background)}\n")
    named = {finding.played_by.get(name, name): name for name in finding.controls}
    numbers = ("confidence", "states", "dx", "dy", "after")
    table = new_table("button", "action", "does", *numbers, "also seen", "variables", right=numbers)
    for name in sorted(finding.buttons, key=lambda one: list(named).index(one) if one in named else len(named)):
        one = finding.buttons[name]
        others = ", ".join(
            f"{word} {count}"
            for word, count in sorted(one.votes.items(), key=lambda item: -item[1])
            if word != one.word and count
        )
        moved = ", ".join(f"{key} {change:+g}" for key, change in finding.variables.get(name, {}).items())
        way = (f"{one.dx:.0f}", f"{one.dy:.0f}") if one.word not in ("none", UNSURE) else ("", "")
        after = f"{one.delay:.0f}" if one.delay is not None else ""
        action = named.get(name, "") if named.get(name) != name else ""
        row = (one.word, f"{one.confidence:.2f}", f"{one.states}/{one.of}", *way, after, others, moved)
        table.add_row(name, action, *row)
    show(table)


def _told(one: Verdict) -> str:
    return f"{one.word:6} {one.confidence:.2f}"


def _show_many(findings: Sequence[Finding]) -> None:
    actions = CONTROLS[:6]
    short = [name.removeprefix("ACTION_").lower().replace("secondary", "second") for name in actions]
    table = new_table("game", "states", "motion", "", "label", *short, "scrolls")
    for one in findings:
        label = resolve(one.game).motion
        words = [one.controls[name].word if name in one.controls else "" for name in actions]
        sure = f"{one.motion.confidence:.2f}"
        mark = label if label == one.motion.word else f"{label} !"
        table.add_row(one.game, str(one.states), one.motion.word, sure, mark, *words, one.scrolls.word)
    show(table)
    say("\n!: the label is another. Words below a confidence of 0.25 are `unsure`.")


def _show_agreement(found: Agreement) -> None:
    if found.motion:
        right = sum(one.agrees for one in found.motion)
        word, count = found.majority()
        total = len(found.motion)
        say(
            f"\nMotion axis: {right} of {total} games as RetroAct labels them ({right / total:.0%}); always saying "
            f"`{word}` gets {count} ({count / total:.0%})\n"
        )
        labels = sorted({one.labels[0] for one in found.motion})
        words = sorted({one.found for one in found.motion})
        table = new_table("label", *words, right=words)
        for label in labels:
            table.add_row(label, *(str(found.confusion().get((label, word), "") or "") for word in words))
        show(table)
    if found.controls:
        right, total = sum(one.agrees for one in found.controls), len(found.controls)
        unsure = sum(one.found == UNSURE for one in found.controls)
        say(
            f"\nButtons: {right} of {total} as known ({right / total:.0%}), {unsure} unsure, "
            f"{total - right - unsure} wrong"
        )
        for one in found.controls:
            if not one.agrees:
                say(f"  {one.game:28} {one.what:7} is {'|'.join(one.labels)}, found {one.found} ({one.confidence:.2f})")
