"""`auto_explore eval`: long episodes of a trained agent, one after the other: what they earn, what they cover, a film
of each, and a page.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genieredux.errors import UserError
from genieredux.explore.config import ExploreConfig
from genieredux.explore.coverage import Coverage
from genieredux.explore.looking import Looked, Looker
from genieredux.explore.page import Page
from genieredux.explore.policy import KIND, restored
from genieredux.explore.runs import find_checkpoint, find_run, folder_of
from genieredux.explore.setting import setting_of
from genieredux.models.checkpoint import load_model
from genieredux.pictures import write_loop
from genieredux.runs.files import write_text
from genieredux.runs.progress import ProgressLine

log = logging.getLogger(__name__)

EPISODES = 20
"""Of an evaluation (the published default)."""
_FPS = 15.0


@dataclass(frozen=True)
class ExploreResult:
    """numbers: by name. results: the file that has them and every episode's. gifs: the films. page: for a person."""

    numbers: dict[str, float]
    results: Path
    gifs: list[Path]
    page: Path


def evaluate(config: ExploreConfig) -> ExploreResult:
    """Play common.epochs episodes of at most collection.test.num_steps steps with a checkpoint of a run; writes
    outputs/evaluation.json and outputs/gifs/ there. Raises UserError for what does not fit."""
    common = config.common
    path = find_run(common)
    checkpoint = find_checkpoint(path, common.resume_ckpt_id)
    data = load_model(checkpoint, expect=KIND)
    setting = setting_of(config)
    names = tuple(data.config.get("action_names", ()))
    if names != setting.action_names or data.config.get("image_size") != setting.env.image_size:
        raise UserError(
            f"{checkpoint} was trained with the actions {', '.join(names)} on frames of "
            f"{data.config.get('image_size')}; this world has {', '.join(setting.action_names)} and "
            f"{setting.env.image_size}: give the world it was trained with"
        )
    net, reward = restored(data).to(setting.device), setting.reward(config)
    episodes = common.epochs or EPISODES
    looker = Looker(setting.test, 1, common.seed, config.evaluation.temperature, config.evaluation.film_steps)
    run = folder_of(path, [])
    rows, gifs, coverage, shown = [], [], Coverage(), Page(setting.world)
    try:
        with ProgressLine("evaluation", episodes, unit="episode") as line:
            for number in range(episodes):
                looked = looker.play(net, reward, number)
                rows.append(_row(looked))
                coverage.add(looked.rollout)
                shown.add(looked, f"{rows[-1]['steps']:.0f} steps, {rows[-1]['reward']:.3g} a step")
                run.media.mkdir(parents=True, exist_ok=True)
                gifs.append(write_loop(run.media / f"{checkpoint.stem}-{number:03d}.gif", looked.film, _FPS, 0.5))
                line.advance_to(number + 1, episodes)
    finally:
        looker.close()
    numbers = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]} | coverage.numbers()
    results = path / "outputs" / "evaluation.json"
    made = {"checkpoint": checkpoint.name, "game": setting.env.game, "rewarded_for": config.reward.kind, **numbers}
    write_text(results, json.dumps({**made, "curve": coverage.curve, "episodes": rows}, indent=2) + "\n")
    page = shown.write(path / "outputs" / "page.html", made, coverage.curve, path / "log.jsonl")
    return ExploreResult(numbers, results, gifs, page)


def _row(looked: Looked) -> dict[str, Any]:
    length = int(np.isfinite(looked.rewards).sum())
    return {
        "return": float(looked.returns[0]),
        "reward": float(np.nanmean(looked.rewards)) if length else 0.0,
        "steps": float(looked.rollout.playing.sum()),
    }
