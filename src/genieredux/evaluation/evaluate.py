"""How true and how controllable a world is, on clips of true play.

Every number is measured per clip and only then averaged, so that no batch size weighs in. It knows a world only
through `models.protocol.World`, and no file.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from genieredux.errors import UserError
from genieredux.evaluation.clips import Clips
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.kept import Keeper
from genieredux.evaluation.measure import BatchNumbers, Bench, Task, measure_batch
from genieredux.evaluation.probes import Probes
from genieredux.evaluation.results import Evaluation
from genieredux.evaluation.summary import summarise
from genieredux.evaluation.team import Alone, Team
from genieredux.evaluation.truth import TrueNumbers, TruthCache
from genieredux.models.world.protocol import World

Progress = Callable[[int, int, str], None]  # clips done, clips in all, test set


def evaluate(
    world: World,
    test_sets: Mapping[str, Clips],
    config: EvalConfig | None = None,
    sampling: Any = None,
    progress: Progress | None = None,
    *,
    team: Team | None = None,
    cache: TruthCache | None = None,
) -> Evaluation:
    """Measure `world` on every test set. The same arguments give the same result, to the bit.

    sampling: how the world draws tokens, handed to `World.rollout` for every rollout alike (None: its
    default). progress: called after each batch with (clips done, clips in all, name of the test set). team: who does
    the work, with a bench of the same world (None: this process, without networks). cache: of what concerns true
    frames alone. Raises UserError for clips that the world or the configuration cannot use.
    """
    config = config or EvalConfig()
    if not test_sets:
        raise UserError("Nothing to evaluate: no test set was given.")
    for name, clips in test_sets.items():
        check_clips(world, name, clips, config.prompt_frames, config.clip_length)
    team = team or Alone(Bench(world, Probes()))
    total, done = sum(len(clips) for clips in test_sets.values()), 0
    sets, seconds = {}, {}
    for name, clips in test_sets.items():
        began = time.perf_counter()
        known = cache.get(clips, config.clip_length, config.prompt_frames) if cache else None
        keeper = Keeper(len(clips), config.keep_clips, config.keep_extremes)
        batches: list[BatchNumbers] = []
        for batch in team.map(measure_batch, Task.split(clips, config, sampling, known)):
            keeper.add(batch.kept)
            batches.append(batch.without_pictures())
            done += len(batch.entropy)
            if progress is not None:
                progress(done, total, name)
        if cache and known is None:
            truth = TrueNumbers.join([batch.truth for batch in batches])
            cache.put(clips, config.clip_length, config.prompt_frames, truth)
        sets[name] = summarise(batches, keeper, clips, config, world.action_names)
        seconds[name] = time.perf_counter() - began
    return Evaluation(config, sets, seconds)


def check_clips(world: World, name: str, clips: Clips, prompt_frames: int, needed: int) -> None:
    """Raise UserError unless the world can be measured on these clips, `needed` frames of each."""
    if not len(clips):
        raise UserError(f"Test set {name} has no clip: collect test episodes first.")
    if clips.length < needed:
        raise UserError(
            f"Test set {name} has clips of {clips.length} frames; {prompt_frames} prompt frames and a "
            f"horizon of {needed - prompt_frames} need {needed}. Lower eval.horizon to "
            f"{max(clips.length - prompt_frames, 1)} or cut longer clips."
        )
    if clips.frames.shape[2:4] != (world.image_size, world.image_size):
        height, width = clips.frames.shape[2:4]
        raise UserError(
            f"Test set {name} has frames of {width}x{height} pixels, the world draws {world.image_size}x"
            f"{world.image_size}: evaluate on a data set of its size."
        )
    if len(world.action_names) < 2:
        raise UserError("A world with a single action has no control to measure.")
    top = int(clips.actions.max())
    if top >= len(world.action_names) or int(clips.actions.min()) < 0:
        raise UserError(
            f"Test set {name} has action {top}, the world knows 0 to {len(world.action_names) - 1} "
            f"({', '.join(world.action_names)}): evaluate on data with the world's actions."
        )
