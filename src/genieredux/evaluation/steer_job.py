"""`genie_redux eval eval.action_to_take=K`: one action all along, for pictures; the folder that says what it did."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from genieredux.episodes import Dataset
from genieredux.evaluation.config import EvalJobConfig
from genieredux.evaluation.evaluate import check_clips
from genieredux.evaluation.headline import Evaluated
from genieredux.evaluation.measure import Bench
from genieredux.evaluation.results import json_safe
from genieredux.evaluation.steer import Steered, action_index, steer, summary
from genieredux.evaluation.testsets import test_sets
from genieredux.evaluation.writing import write_json
from genieredux.models.sampling import Sampling
from genieredux.pictures import column_labels, filmstrip, panels, write_loop, write_png
from genieredux.runs import describe_environment


def hold_action(bench: Bench, sampling: Sampling, config: EvalJobConfig, dataset: Dataset, folder: Path) -> Evaluated:
    """Pictures and what the action did, below <folder>/control/<action>/. Raises UserError."""
    world = bench.world
    action = action_index(config.action_to_take, world.action_names)
    sets = test_sets(dataset, config.split, config, config.num_clips)
    for name, clips in sets.items():
        check_clips(world, name, clips, config.prompt_frames, config.clip_length)
    found = {name: steer(bench, clips, config, action, sampling) for name, clips in sets.items()}
    here = folder / "control" / world.action_names[action]
    films = [_show(here, name, one, config, world.action_names[action]) for name, one in found.items()]
    said = {
        "action": world.action_names[action],
        "index": action,
        **summary(found),
        "made_by": {"config": asdict(config), "sampling": asdict(sampling), "environment": describe_environment()},
    }
    results = write_json(here / "control.json", json_safe(said))  # type: ignore[arg-type]
    lines = []
    for name in found:
        mean = said[name]["mean"]
        scroll = "{:+.2f} px right, {:+.2f} px down".format(*mean["scroll"])
        shown = f", shown in {100 * mean['shown']:.0f} % of the frames" if "shown" in mean else ""
        lines.append(
            f"{name}: {world.action_names[action]} held for {config.horizon} frames on {len(found[name].did)} clips: "
            f"the picture moves {scroll} a frame, a pixel changes by {mean['change']:.1f} of 255{shown}"
        )
    return Evaluated(here, results, films[0], tuple(lines))


def _show(folder: Path, name: str, found: Steered, config: EvalJobConfig, action: str) -> Path:
    """A strip of every clip and a film of all; returns the film."""
    labels = column_labels(config.prompt_frames, config.clip_length)
    rows = [
        {action: held, "true actions": replayed, "truth": truth}
        for held, replayed, truth in zip(found.held, found.replayed, found.truth, strict=True)
    ]
    for number, of_clip in enumerate(rows):
        write_png(folder / f"{name}.{number}.png", filmstrip(of_clip, labels))
    film = np.concatenate([panels(of_clip) for of_clip in rows])
    write_loop(folder / f"{name}.mp4", film)
    return write_loop(folder / f"{name}.gif", film)
