"""results.json as typed values (docs/metrics.md has the format); files of older versions are upgraded first.

A metric is known here only by what the file says about it, in the order in which the file says it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from genieredux.config import from_plain
from genieredux.errors import UserError
from genieredux.evaluation.about import About
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.rows import MODEL, TOKENIZER_ONLY
from genieredux.evaluation.upgrade import VERSION, upgrade

Number = float | None


@dataclass(frozen=True)
class Estimate:
    """A number and its interval; None for what was not measured, or has no interval."""

    mean: Number
    low: Number = None
    high: Number = None


@dataclass(frozen=True)
class ByHorizon:
    """Estimates of equally many horizons, and of the mean over them."""

    mean: tuple[Number, ...]
    low: tuple[Number, ...]
    high: tuple[Number, ...]
    average: Estimate = Estimate(None)

    def __post_init__(self) -> None:
        if not len(self.mean) == len(self.low) == len(self.high):
            raise UserError(f"mean, low and high have {len(self.mean)}, {len(self.low)} and {len(self.high)} values")

    def __len__(self) -> int:
        return len(self.mean)

    def at(self, horizon: int) -> Estimate:
        """At a horizon from 1; nothing beyond the last."""
        if not 0 < horizon <= len(self):
            return Estimate(None)
        return Estimate(self.mean[horizon - 1], self.low[horizon - 1], self.high[horizon - 1])

    @classmethod
    def of(cls, estimates: Sequence[Estimate]) -> "ByHorizon":
        """Of one estimate after the other."""
        return cls(
            tuple(one.mean for one in estimates),
            tuple(one.low for one in estimates),
            tuple(one.high for one in estimates),
        )

    def estimates(self) -> list[Estimate]:
        """All of them, in order."""
        return [self.at(horizon) for horizon in range(1, len(self) + 1)]


@dataclass(frozen=True)
class PooledRow:
    """One number over all horizons, and one for each where that was measured."""

    all: Number
    by_horizon: tuple[Number, ...] = ()


@dataclass(frozen=True)
class Pooled:
    """A distance between sets; floor: truth against truth, of half as many samples."""

    rows: Mapping[str, PooledRow]
    samples: int
    floor: Number = None


@dataclass(frozen=True)
class Bin:
    """Tokens of about equal entropy."""

    tokens: int
    entropy: Number
    error_rate: Estimate
    mse: Estimate


@dataclass(frozen=True)
class Correlations:
    """Of entropy with an error."""

    pearson: Estimate
    spearman: Estimate


@dataclass(frozen=True)
class TokenErrors:
    """By what kind of error."""

    wrong: Correlations
    mse: Correlations


@dataclass(frozen=True)
class FrameErrors:
    """Of the entropy of a frame."""

    psnr: Correlations


@dataclass(frozen=True)
class Calibration:
    """Does the world know when it errs?"""

    clips: int
    tokens: int
    error_rate: Estimate
    bins: tuple[Bin, ...]
    token: TokenErrors
    first_frame: TokenErrors
    frame: FrameErrors


@dataclass(frozen=True)
class Codebook:
    """How a tokenizer or latent action model uses its codes."""

    size: int
    used: int
    perplexity: float
    share_used: Number = None


@dataclass(frozen=True)
class Seeds:
    """Several sampling seeds; spread: the standard deviation of their means, by metric and row."""

    seeds: tuple[int, ...]
    spread: Mapping[str, Mapping[str, Number]]
    means: Mapping[str, Mapping[str, list[Number]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Stretch:
    """Horizons, both included."""

    first: int
    until: int

    ALIASES: ClassVar[Mapping[str, str]] = {"from": "first"}
    """As files have it; it is no name in Python."""


@dataclass(frozen=True)
class Part:
    """One part of a test set. metrics: metric -> row -> mean over all horizons."""

    clips: int
    frames: int
    episodes: int
    metrics: Mapping[str, Mapping[str, Estimate]]


@dataclass(frozen=True)
class Drift:
    """Long dreams. better: by baseline, where the dream is clearly nearer to the truth."""

    clips: int
    episodes: int
    frames: int
    metrics: Mapping[str, Mapping[str, ByHorizon]]
    better: Mapping[str, Stretch | None] = field(default_factory=dict)
    half_sharp_from: int | None = None


@dataclass(frozen=True)
class TestSet:
    """What was measured on a test set. plain: the same as in the file. mapping: what the codes of a latent action model
    name, plain values.
    """

    __test__ = False  # for pytest, which collects by name

    clips: int
    episodes: int
    interval: float
    plain: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, ByHorizon]]
    pooled: Mapping[str, Pooled] = field(default_factory=dict)
    compare_at: int | None = None
    capped_frames: Mapping[str, int] = field(default_factory=dict)
    breakdown: Mapping[str, Mapping[str, Part]] = field(default_factory=dict)
    sampling_seeds: Seeds | None = None
    action_confusion: Mapping[str, list[list[int]]] = field(default_factory=dict)
    calibration: Calibration | None = None
    codebook: Codebook | None = None
    mapping: Mapping[str, Any] = field(default_factory=dict)
    drift: Drift | None = None

    @property
    def main(self) -> str:
        """The row that stands for the model itself: a tokenizer alone has no `model`."""
        rows = [*self.metrics.values(), *(found.rows for found in self.pooled.values())]
        return MODEL if any(MODEL in of for of in rows) else TOKENIZER_ONLY

    @property
    def horizon(self) -> int:
        """Predicted frames."""
        return max((len(by) for rows in self.metrics.values() for by in rows.values()), default=0)


@dataclass(frozen=True)
class Results:
    """A whole file. about: every metric in the order in which tables show them; as_written: made_by of the file itself,
    of whatever version.
    """

    about: Mapping[str, About]
    made_by: Mapping[str, Any]
    sets: Mapping[str, TestSet]
    as_written: Mapping[str, Any]


def read_results(plain: Any) -> Results:
    """Raises UserError naming the field that is wrong."""
    if not isinstance(plain, Mapping) or not isinstance(plain.get("made_by"), Mapping):
        raise UserError("is not what genie_redux eval writes (no test sets with made_by)")
    version, as_written = plain.get("version", 1), plain["made_by"]
    if version not in (1, VERSION):
        raise UserError(f"is of version {version!r}, and this program reads up to {VERSION}: update it")
    try:
        plain = upgrade(plain)
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, StopIteration) as error:
        raise UserError(f"lacks or misplaces {error or 'a value'}, so it is of no version that is known") from error
    described = plain.get("about")
    if not isinstance(described, Mapping):
        raise UserError("about is missing: it describes the metrics")
    about = {str(name): _about(name, one) for name, one in described.items()}
    names = [name for name in plain if name not in ("version", "about", "made_by")]
    if not names:
        raise UserError("is not what genie_redux eval writes (no test sets with made_by)")
    sets = {str(name): _test_set(plain[name], about, str(name)) for name in names}
    return Results(about, _renamed(plain["made_by"]), sets, as_written)


def _renamed(made_by: Mapping[str, Any]) -> dict[str, Any]:
    """With the settings by the names that they have today."""
    config = made_by.get("config")
    if not isinstance(config, Mapping):
        return dict(made_by)
    return {**made_by, "config": {EvalConfig.ALIASES.get(key, key): value for key, value in config.items()}}


def _about(name: str, plain: Any) -> About:
    if not isinstance(plain, Mapping):
        raise UserError(f"about.{name} must be a mapping")
    return from_plain(About, {**plain, "name": name}, f"about.{name}")


def _test_set(plain: Any, about: Mapping[str, About], where: str) -> TestSet:
    _mapping(plain, where)
    fields = TestSet.__dataclass_fields__
    rest = {key: value for key, value in plain.items() if key in fields and key not in about}
    metrics, pooled = {}, {}
    for name, one in about.items():
        if name in plain and one.pooled:
            pooled[name] = from_plain(Pooled, plain[name], f"{where}.{name}")
        elif name in plain:
            metrics[name] = _rows(plain[name], f"{where}.{name}", ByHorizon)
    made: dict[str, Any] = {}
    if "breakdown" in rest:
        made["breakdown"] = dict(_breakdown(rest.pop("breakdown"), about, f"{where}.breakdown"))
    if rest.get("drift") is not None:
        made["drift"] = _drift(rest.pop("drift"), about, f"{where}.drift")
    typed = from_plain(TestSet, {"plain": {}, "metrics": {}, **rest}, where)
    return replace(typed, plain=plain, metrics=metrics, pooled=pooled, **made)


def _breakdown(plain: Any, about: Mapping[str, About], where: str) -> Iterator[tuple[str, dict[str, Part]]]:
    for kind, parts in _mapping(plain, where).items():
        found = {}
        for part, values in _mapping(parts, f"{where}.{kind}").items():
            here = f"{where}.{kind}.{part}"
            sizes = {key: value for key, value in _mapping(values, here).items() if key in Part.__dataclass_fields__}
            rows = {name: _rows(values[name], f"{here}.{name}", Estimate) for name in about if name in values}
            typed = from_plain(Part, {**sizes, "metrics": {}}, here)
            found[str(part)] = replace(typed, metrics=rows)
        yield str(kind), found


def _drift(plain: Any, about: Mapping[str, About], where: str) -> Drift:
    rest = {key: value for key, value in _mapping(plain, where).items() if key in Drift.__dataclass_fields__}
    typed = from_plain(Drift, {**rest, "metrics": {}}, where)
    rows = {name: _rows(plain[name], f"{where}.{name}", ByHorizon) for name in about if name in plain}
    return replace(typed, metrics=rows)


def _rows(plain: Any, where: str, kind: type[Any]) -> dict[str, Any]:
    return {str(row): from_plain(kind, one, f"{where}.{row}") for row, one in _mapping(plain, where).items()}


def _mapping(plain: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(plain, Mapping):
        raise UserError(f"{where} must be a mapping, not {type(plain).__name__}")
    return plain
