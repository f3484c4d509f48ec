"""The one loop: every batch of clips, under every sampling seed, drawn by a subject and measured by metrics.

Works in any process: takes and gives arrays. It knows no kind of subject and no metric.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from genieredux.evaluation.clips import Clips
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.kept import Keeper, KeptClips, candidates
from genieredux.evaluation.measuring.team import Team
from genieredux.evaluation.measuring.truth import TruthCache
from genieredux.evaluation.metrics.metric import Metric, OfRows, Pooled
from genieredux.evaluation.metrics.psnr import quality
from genieredux.evaluation.rows import HELD, MODEL, RANDOM_ACTIONS, TOKENIZER_ONLY
from genieredux.evaluation.subjects.drawn import Batch, Drawn, Known, Subject
from genieredux.frames import to_bytes

Values = Mapping[str, Mapping[str, np.ndarray]]
"""metric -> row -> numbers."""


@dataclass(frozen=True)
class Bench:
    """What a process measures with. long: another one, of long dreams."""

    subject: Subject
    metrics: tuple[Metric, ...]
    pooled: tuple[Pooled, ...] = ()
    long: "Bench | None" = None

    @classmethod
    def of(cls, subject: Subject, metrics: Sequence[Any], long: "Bench | None" = None) -> "Bench":
        """Those metrics, and what is measured beside them, whose needs the subject meets."""
        every = [one for metric in metrics for one in (metric, *getattr(metric, "beside", ()))]
        per_clip = tuple(
            one for one in every if not isinstance(one, Pooled) and subject.offers.issuperset(one.about.needs)
        )
        pooled = tuple(one for one in every if isinstance(one, Pooled) and subject.offers.issuperset(one.needs))
        return cls(subject, per_clip, pooled, long)


@dataclass(frozen=True)
class Task:
    """A batch for whoever is free. keep: how many clips of the set are kept spread evenly, and how many of each end.
    long: for the bench of long dreams. with_tokens: the tokens of the true frames are wanted.
    """

    batch: Batch
    seeds: tuple[int, ...]
    keep: tuple[int, int]
    long: bool = False
    with_tokens: bool = False


@dataclass(frozen=True)
class Part:
    """What was found of one batch. values: (S, B, H), S of all sampling seeds or 1; looked: by the key of pooled
    metrics; tokens: int32, of the true frames.
    """

    values: dict[str, dict[str, np.ndarray]]
    looked: dict[str, Any]
    kept: KeptClips | None
    tokens: np.ndarray | None


@dataclass(frozen=True)
class Table:
    """Every number of N clips. values: (S, N, H) float64, S of all sampling seeds or 1; looked: what pooled metrics
    gathered of each batch; keeper: frames of some clips.
    """

    values: dict[str, dict[str, np.ndarray]]
    looked: dict[str, list[Any]]
    keeper: Keeper
    tokens: np.ndarray | None = field(default=None, repr=False)

    def means(self) -> dict[str, dict[str, np.ndarray]]:
        """Over the seeds: (N, H)."""
        return {metric: {row: of.mean(0) for row, of in rows.items()} for metric, rows in self.values.items()}


def measure(
    bench: Bench,
    clips: Clips,
    config: EvalConfig,
    team: Team,
    *,
    others: Callable[[Sequence[int]], np.ndarray] | None = None,
    long: bool = False,
    cache: TruthCache | None = None,
    chosen: Sequence[int] | None = None,
    done: Callable[[int], None] | None = None,
) -> Table:
    """The table of a test set. others: frames of other episodes for some clips (subjects/long.py). long: by the bench
    of long dreams. cache: of what concerns true frames alone. chosen: these clips alone. done: called with the clips
    finished so far. Raises UserError where the subject draws what is no number.
    """
    known = cache.get(clips, config.clip_length, config.prompt_frames) if cache else None
    keeper = Keeper(len(clips), config.keep_clips, config.keep_extremes)
    wanted = tuple(range(len(clips))) if chosen is None else tuple(chosen)
    parts: list[Part] = []
    finished = 0
    for part in team.map(measure_batch, _tasks(clips, config, wanted, known, others, long, cache is not None)):
        keeper.add(part.kept)
        parts.append(Part(part.values, part.looked, None, part.tokens))
        finished += len(next(iter(next(iter(part.values.values())).values()))[0])
        if done is not None:
            done(finished)
    table = _joined(parts, keeper)
    if cache and chosen is None and table.tokens is not None:
        keepable = _keepable(bench.long if long and bench.long else bench, table)
        if known is None or any(metric not in known.values for metric in keepable):
            cache.put(clips, config.clip_length, config.prompt_frames, Known(table.tokens, keepable))
    return table


@torch.inference_mode()
def measure_batch(bench: Bench, task: Task) -> Part:
    """Draw a batch under every seed, and let every metric look."""
    bench = bench.long if task.long and bench.long else bench
    found: dict[str, dict[str, list[np.ndarray]]] = {}
    first: Drawn | None = None
    looked: dict[str, Any] = {}
    for number, seed in enumerate(task.seeds):
        drawn = bench.subject.draw(task.batch, seed, number)
        first = first or drawn
        for metric in bench.metrics:
            if number and metric.about.first_seed_only:
                continue
            rows = found.setdefault(metric.about.name, {})
            for row, values in metric(drawn).items():
                rows.setdefault(row, []).append(values.numpy())
        if not number:
            looked = {pooled.key: pooled.look(drawn) for pooled in bench.pooled}
    assert first is not None  # there is a seed
    for name, known in (task.batch.known.values if task.batch.known else {}).items():
        if name in found:
            found[name] |= {row: [values] for row, values in known.items()}
    tokens = first.true_tokens.numpy().astype(np.int32) if task.with_tokens and first.true_tokens is not None else None
    return Part(
        {name: {row: np.stack(of) for row, of in rows.items()} for name, rows in found.items()},
        looked,
        _keep(bench.subject, first, task.keep),
        tokens,
    )


def _tasks(
    clips: Clips,
    config: EvalConfig,
    wanted: tuple[int, ...],
    known: Known | None,
    others: Callable[[Sequence[int]], np.ndarray] | None,
    long: bool,
    with_tokens: bool,
) -> Iterator[Task]:
    """The batches of a test set, in order."""
    for start in range(0, len(wanted), config.batch_size):
        indices = wanted[start : start + config.batch_size]
        rows = np.asarray(indices)
        batch = Batch(
            indices=indices,
            count=len(clips),
            frames=clips.frames[rows, : config.clip_length],
            actions=clips.actions[rows, : config.clip_length - 1].astype(np.int64),
            prompt_frames=config.prompt_frames,
            others=others(indices) if others else None,
            known=known.rows(rows) if known else None,
        )
        yield Task(batch, config.seeds, (config.keep_clips, config.keep_extremes), long, with_tokens)


def _joined(parts: Sequence[Part], keeper: Keeper) -> Table:
    values = {
        metric: {
            row: np.concatenate([part.values[metric][row] for part in parts], 1).astype(np.float64) for row in rows
        }
        for metric, rows in parts[0].values.items()
    }
    looked = {key: [part.looked[key] for part in parts if part.looked[key] is not None] for key in parts[0].looked}
    tokens = [part.tokens for part in parts if part.tokens is not None]
    return Table(values, looked, keeper, np.concatenate(tokens) if tokens else None)


def _keepable(bench: Bench, table: Table) -> dict[str, dict[str, np.ndarray]]:
    """The numbers of static rows that the next evaluation may take over: (N, H), as they were measured."""
    names = [metric.about.name for metric in bench.metrics if isinstance(metric, OfRows) and metric.keepable]
    return {
        name: {row: of[0].astype(np.float32) for row, of in table.values[name].items() if row in bench.subject.static}
        for name in names
    }


def _keep(subject: Subject, drawn: Drawn, keep: tuple[int, int]) -> KeptClips | None:
    """The clips of this batch that pictures may show."""
    if not any(keep) or subject.baseline not in drawn:
        return None
    batch = drawn.batch
    of_main = quality(drawn, subject.main)
    gain: np.ndarray = of_main.mean(1).numpy() - quality(drawn, subject.baseline).mean(1).numpy()
    rows = candidates(batch.indices, batch.count, *keep, gain)
    if not len(rows):
        return None
    given = batch.frames[rows, : batch.prompt_frames]

    def after_prompt(row: str) -> np.ndarray:
        if row not in drawn:
            return batch.frames[rows, :0]
        return np.concatenate([given, to_bytes(drawn.some(row, rows.tolist()))], 1)

    entropy = drawn.entropy[rows].float().numpy() if drawn.entropy is not None else np.empty((len(rows), 0), np.float32)
    return KeptClips(
        index=np.asarray(batch.indices)[rows],
        truth=batch.frames[rows],
        model=after_prompt(MODEL),
        tokenizer_only=after_prompt(TOKENIZER_ONLY),
        random_actions=after_prompt(RANDOM_ACTIONS),
        entropy=entropy,
        actions=batch.actions[rows],
        psnr=of_main[rows].numpy(),
        gain=gain[rows],
        held=after_prompt(HELD),
    )
