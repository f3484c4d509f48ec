"""What whoever starts the page decides: whom to let in, how much, and where recordings go."""

from dataclasses import dataclass, field
from pathlib import Path

from genieredux.play.keeping import Budget


@dataclass(frozen=True)
class Settings:
    """The few to change: fps, players."""

    fps: float = 15.0
    """Frames a second at first; the page changes it."""
    most_fps: float = 60.0
    """Frames a second at most."""
    players: int = 4
    """Dreams at a time; each holds a past and wants a core."""
    folder: Path | None = None
    """Of data sets, for what is recorded; None: nothing may be."""
    token: str | None = None
    """Who is to be let in says this; None: nobody needs to (on this machine alone)."""
    messages_per_second: float = 200.0
    """Of one page; more close its connection."""
    burst: int = 400
    """Messages at once."""
    message_bytes: int = 256 * 1024
    """Of the longest message; a picture of 256 x 256 pixels fits."""
    return_seconds: float = 120.0
    """How long a dream waits for a page that lost its connection, unless somebody else needs the seat."""
    budget: Budget = field(default_factory=Budget)
    """Of frames that are recorded."""
