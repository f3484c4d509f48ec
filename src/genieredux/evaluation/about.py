"""How a metric describes itself, so that whoever shows numbers needs no list of metrics. It computes nothing."""

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class About:
    """A metric, as tables, curves and results.json speak of it."""

    name: str
    """Its key in results.json and the first part of its columns in clips.parquet."""
    label: str
    """What people call it."""
    unit: str = ""
    """Such as dB; empty where it has none."""
    digits: int = 3
    """After the decimal point."""
    better: Literal["higher", "lower"] | None = None
    """Which way is good; None where neither is."""
    pooled: bool = False
    """One number over all clips instead of one per clip and horizon."""
    signed: bool = False
    """A difference, shown with its sign."""
    at: Literal["average", "compare_at"] = "average"
    """Where its one number is read: the mean over the horizons, or the horizon of the headline delta PSNR."""
    few_below: int | None = None
    """Of a pooled metric: fewer samples than this bias it upwards."""
    relative_to: str | None = None
    """A row of the same metric: means are sums divided by this row's sum over the same frames."""
    cap: float | None = None
    """Values are cut here before any mean."""
    needs: tuple[str, ...] = ()
    """What a subject must draw for it besides predicted rows (subjects/drawn.py has the words); not written."""
    also: tuple[str, ...] = ()
    """Rows that are measured besides the predicted ones, where they are drawn; not written."""
    first_seed_only: bool = False
    """Measured under the first of several sampling seeds alone, for it is dear; not written."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, as results.json has them."""
        plain = asdict(self)
        for key in ("name", "needs", "also", "first_seed_only"):
            del plain[key]
        return plain
