"""How good a model is, on clips of true play: every test set through the one loop, and its long dreams.

Every number is measured per clip and only then averaged, so that no batch size weighs in. It knows a world only through
`models.world.protocol.World`, and no file.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from genieredux.errors import UserError
from genieredux.evaluation.bootstrap import EpisodeBootstrap
from genieredux.evaluation.clips import Clips
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.measuring.loop import Bench, measure
from genieredux.evaluation.measuring.summary import abouts_of, estimates, summarise
from genieredux.evaluation.measuring.team import Alone, Team
from genieredux.evaluation.measuring.truth import TruthCache
from genieredux.evaluation.metrics.metric import Setting
from genieredux.evaluation.metrics.opening import open_metrics
from genieredux.evaluation.results import Drift, Evaluation, SetResult
from genieredux.evaluation.subjects.long import SHOWN, LongDream, how_long, long_config, random_frames
from genieredux.evaluation.subjects.world import WorldSubject
from genieredux.models.world.protocol import World

Progress = Callable[[int, int, str], None]  # clips done, clips in all, test set


def evaluate(
    world: World,
    test_sets: Mapping[str, Clips],
    config: EvalConfig | None = None,
    sampling: Any = None,
    progress: Progress | None = None,
    *,
    metrics: Sequence[Any] = (),
    team: Team | None = None,
    long: Mapping[str, Clips] | None = None,
) -> Evaluation:
    """Measure `world` on every test set. The same arguments give the same result, to the bit.

    sampling: how the world draws tokens, handed to `World.rollout` for every rollout alike (None: its
    default). progress: called after each batch with (clips done, clips in all, name of the test set). metrics: besides
    those that are always measured (metrics/metric.py says what one is). team: who does the work, with a bench of the
    same world (None: this process). long: clips for `config.drift_frames`, by test set. Raises UserError for clips that
    the world or the configuration cannot use.
    """
    config = config or EvalConfig()
    if not test_sets:
        raise UserError("Nothing to evaluate: no test set was given.")
    for name, clips in test_sets.items():
        check_clips(world, name, clips, config.prompt_frames, config.clip_length)
    always = open_metrics((), Setting(config, image_size=world.image_size)).metrics.values()
    bench = world_bench(WorldSubject(world, config, sampling), [*always, *metrics])
    return measure_sets(bench, test_sets, config, world.action_names, progress, team=team, long=long)


def world_bench(world: WorldSubject, metrics: Sequence[Any]) -> Bench:
    """A bench of a world and of its long dreams, which are measured by what looks through no network."""
    light = [metric for metric in metrics if not getattr(metric, "describe", dict)()]
    of_long = Bench.of(LongDream(world), light)
    return Bench.of(world, metrics, replace(of_long, pooled=()))


def measure_sets(
    bench: Bench,
    sets: Mapping[str, Clips],
    config: EvalConfig,
    action_names: Sequence[str],
    progress: Progress | None = None,
    *,
    team: Team | None = None,
    cache: TruthCache | None = None,
    long: Mapping[str, Clips] | None = None,
) -> Evaluation:
    """Whatever the subject of the bench is. cache: of what concerns true frames alone."""
    team = team or Alone(bench)
    results: dict[str, SetResult] = {}
    seconds: dict[str, float] = {}
    abouts = {pooled.key: pooled.about for pooled in bench.pooled if pooled.about}
    for name, clips in sets.items():
        began = time.perf_counter()
        table = measure(bench, clips, config, team, cache=cache, done=_done(progress, sets, name))
        results[name] = summarise(table, bench, clips, config, action_names)
        abouts = {**abouts_of(bench, table), **abouts}
        seconds[name] = time.perf_counter() - began
    for name, clips in (long or {}).items():
        drift, also = measure_drift(bench, clips, config, team, _done(progress, long or {}, name, ", drift"))
        results[name] = replace(results[name], drift=drift, plain={**results[name].plain, "drift": drift.plain})
        abouts = {**abouts, **also}
    return Evaluation(config, tuple(abouts.values()), results, seconds)


def measure_drift(
    bench: Bench, clips: Clips, config: EvalConfig, team: Team, done: Callable[[int], None] | None = None
) -> tuple[Drift, dict[str, Any]]:
    """Long dreams beside the truth, and the metrics they were measured by. clips: of prompt + drift_frames frames."""
    assert bench.long is not None  # `world_bench` puts it there
    longer = long_config(config)
    table = measure(bench, clips, longer, team, others=random_frames(clips, config), long=True, done=done)
    bootstrap = EpisodeBootstrap(clips.episodes, config.resamples, config.interval, config.seed)
    abouts, values = abouts_of(bench.long, table), table.means()
    plain = {
        "clips": len(clips),
        "episodes": bootstrap.episodes,
        "interval": config.interval,
        "frames": config.drift_frames,
        **estimates({name: values[name] for name in abouts}, abouts, bootstrap),
        **how_long(values, bootstrap),
    }
    kept = table.keeper.even()
    assert kept is not None  # `long_config` keeps some
    return Drift(plain, kept.truth[:SHOWN], kept.model[:SHOWN]), dict(abouts)


def _done(
    progress: Progress | None, sets: Mapping[str, Clips], name: str, suffix: str = ""
) -> Callable[[int], None] | None:
    """What is told after each batch of one of several sets."""
    if progress is None:
        return None
    total, names = sum(map(len, sets.values())), list(sets)
    before = sum(len(sets[other]) for other in names[: names.index(name)])
    return lambda finished: progress(before + finished, total, f"{name}{suffix}")


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
