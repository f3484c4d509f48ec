"""`genie_redux eval eval.action_to_take=K`: one action all along, for pictures; the folder that says what it did.

`control.json`: {action, index, <test set>: {mean, clips: [{clip, change, scroll, psnr_to_true_actions, shown}]},
made_by}; metrics/motion.py says what the numbers are, `shown` is the share of transitions that show the action.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from genieredux.evaluation.clips import Clips
from genieredux.evaluation.config import EvalConfig, EvalJobConfig
from genieredux.evaluation.headline import Evaluated
from genieredux.evaluation.kept import evenly
from genieredux.evaluation.measuring.loop import Bench, Table, measure
from genieredux.evaluation.measuring.team import Alone
from genieredux.evaluation.metrics.action_accuracy import ActionAccuracy
from genieredux.evaluation.metrics.metric import Missing, Setting
from genieredux.evaluation.metrics.motion import Apart, Change, Scroll
from genieredux.evaluation.results import json_safe
from genieredux.evaluation.rows import HELD
from genieredux.evaluation.subjects.steered import SteeredDream, action_index
from genieredux.evaluation.subjects.world import WorldSubject
from genieredux.evaluation.writing import committed, held_for_writing, write_json
from genieredux.models.sampling import Sampling
from genieredux.pictures import column_labels, filmstrip, panels, write_loop, write_png
from genieredux.runs import describe_environment


def hold_action(
    subject: WorldSubject,
    setting: Setting,
    sampling: Sampling | None,
    config: EvalJobConfig,
    sets: Mapping[str, Clips],
    folder: Path,
) -> Evaluated:
    """Pictures and what the action did, below <folder>/control/<action>/. Raises UserError."""
    names = subject.world.action_names
    index = action_index(config.action_to_take, names)
    action, here = names[index], folder / "control" / names[index]
    with held_for_writing(here):
        metrics: list[Any] = [Change(), Scroll(), Apart()]
        if "action_accuracy" in config.metrics:
            with contextlib.suppress(Missing):  # it is told where a world is measured
                metrics.append(ActionAccuracy.open(setting))
        tables = {name: steer(subject, clips, config, index, metrics) for name, clips in sets.items()}
        said = {name: summary(table, len(sets[name]), config) for name, table in tables.items()}
        made_by = {
            "config": asdict(config),
            "sampling": asdict(sampling) if sampling else None,
            "environment": describe_environment(),
        }
        plain = json_safe({"action": action, "index": index, **said, "made_by": made_by})
        assert isinstance(plain, dict)
        with committed(here, "control.json") as aside:
            films = [_show(aside, name, table, config, action) for name, table in tables.items()]
            write_json(aside / "control.json", plain)
    lines = tuple(_line(name, action, one, config) for name, one in said.items())
    return Evaluated(here, here / "control.json", here / films[0].name, lines)


def steer(
    world: WorldSubject, clips: Clips, config: EvalConfig, action: int, metrics: list[Any] | None = None
) -> Table:
    """The table of `config.keep_clips` clips, spread evenly, with `action` held for `config.horizon` frames after their
    prompts; their frames are in its keeper.
    """
    bench = Bench.of(SteeredDream(world, action), metrics or [Change(), Scroll(), Apart()])
    alone = replace(config, sampling_seeds=1, keep_extremes=0, batch_size=min(config.batch_size, config.keep_clips))
    chosen = evenly(len(clips), config.keep_clips).tolist()
    return measure(replace(bench, pooled=()), clips, alone, Alone(replace(bench, pooled=())), chosen=chosen)


def summary(table: Table, count: int, config: EvalConfig) -> dict[str, Any]:
    """{mean, clips}: of each clip and over all, means over the horizons. count: clips of the test set."""
    values = {name: {row: of.mean(1) for row, of in rows.items()} for name, rows in table.means().items()}
    columns: dict[str, np.ndarray] = {
        "change": values["change"][HELD],
        "scroll": np.stack([values["scroll"][way] for way in ("right", "down")], 1),
        "psnr_to_true_actions": values["psnr_to_true_actions"][HELD],
    }
    if "action_accuracy" in values:
        columns["shown"] = values["action_accuracy"][HELD]
    clips = [
        {"clip": int(clip), **{key: of[row].tolist() for key, of in columns.items()}}
        for row, clip in enumerate(evenly(count, config.keep_clips))
    ]
    return {"mean": {key: of.mean(0).tolist() for key, of in columns.items()}, "clips": clips}


def _line(name: str, action: str, said: Mapping[str, Any], config: EvalConfig) -> str:
    mean = said["mean"]
    scroll = "{:+.2f} px right, {:+.2f} px down".format(*mean["scroll"])
    shown = f", shown in {100 * mean['shown']:.0f} % of the frames" if "shown" in mean else ""
    return (
        f"{name}: {action} held for {config.horizon} frames on {len(said['clips'])} clips: the picture moves {scroll} "
        f"a frame, a pixel changes by {mean['change']:.1f} of 255{shown}"
    )


def _show(folder: Path, name: str, table: Table, config: EvalConfig, action: str) -> Path:
    """A strip of every clip and a film of all; returns the film."""
    kept = table.keeper.even()
    assert kept is not None  # the job refuses keep_clips=0
    labels = column_labels(config.prompt_frames, config.clip_length)
    rows = [
        {action: held, "true actions": replayed, "truth": truth}
        for held, replayed, truth in zip(kept.held, kept.model, kept.truth, strict=True)
    ]
    for number, of_clip in enumerate(rows):
        write_png(folder / f"{name}.{number}.png", filmstrip(of_clip, labels))
    film = np.concatenate([panels(of_clip) for of_clip in rows])
    write_loop(folder / f"{name}.mp4", film)
    return write_loop(folder / f"{name}.gif", film)
