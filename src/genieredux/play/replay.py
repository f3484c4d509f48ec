"""A play that can be played again: the world, where it began, the seed, how tokens were drawn, and the actions. It is
small enough for a link. Knows plain values only.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from genieredux.checking import require
from genieredux.config import from_plain
from genieredux.errors import UserError
from genieredux.settings import Range, Settings

VERSION = 1
LONGEST = 20_000
"""Actions that a replay may have."""
_RUN = re.compile(r"([0-9]{1,5})(?:x([0-9]{1,5}))?")


@dataclass(frozen=True, kw_only=True)
class Replay(Settings):
    """What decides every frame of a play. Exactly one of prompt, level and picture says where it began."""

    where: ClassVar[str] = "replay"

    version: int = VERSION
    world: str
    """The name of the world."""
    prompt: Annotated[int | None, Range(0, 1 << 20)] = None
    """Which of the world's own beginnings."""
    level: Annotated[int | None, Range(0, 2**31 - 2)] = None
    """Which level of the real game."""
    picture: str | None = None
    """Somebody's own picture: base64 of zlib of its RGB bytes."""
    seed: Annotated[int, Range(0, 2**40)] = 0
    steps: Annotated[int | None, Range(1, 1024)] = None
    temperature: Annotated[float | None, Range(0, 1e6)] = None
    choice: Literal["mode", "mean", "sample"] | None = None
    actions: str = ""
    """Runs such as "0x12 3 1x4": action 0 twelve times, then 3 once, then 1 four times."""
    given: int = 0
    """CRC-32 of the given frames and actions, by which a world with other beginnings is told."""
    checksum: int = 0
    """CRC-32 of the tokens of all frames, by which the same dream is told."""

    def __post_init__(self) -> None:
        """Raises UserError for what cannot be played again."""
        super().__post_init__()
        require(self.version == VERSION, "replay.version", self.version, f"{VERSION}, as this program reads")
        began = [name for name in ("prompt", "level", "picture") if getattr(self, name) is not None]
        require(len(began) == 1, "the beginning of the replay", " and ".join(began), "one of prompt, level and picture")
        self.taken()

    @classmethod
    def of(cls, values: Any) -> "Replay":
        """From what a file or a link says. Raises UserError for what is none."""
        return from_plain(cls, values, "replay")

    def taken(self) -> list[int]:
        """The actions. Raises UserError for a text that is none."""
        actions: list[int] = []
        for word in self.actions.split():
            run = _RUN.fullmatch(word)
            require(run is not None, "replay.actions", word[:20], 'made of runs such as "0x12 3"')
            assert run is not None
            actions += [int(run[1])] * min(int(run[2] or 1), LONGEST + 1)
            require(len(actions) <= LONGEST, "replay.actions", "longer", f"{LONGEST} actions or fewer")
        return actions

    def pixels(self, count: int) -> bytes:
        """The picture, `count` bytes. Raises UserError for another one."""
        try:
            unpacked = zlib.decompressobj()
            content = unpacked.decompress(base64.b64decode(self.picture or "", validate=True), count + 1)
        except (binascii.Error, ValueError, zlib.error) as error:
            raise UserError(f"the picture of this replay cannot be read ({error})") from error
        require(len(content) == count, "replay.picture", f"{len(content)} bytes", f"{count}, as this world's frames")
        return content


def runs(actions: Sequence[int]) -> str:
    """Actions as `Replay.actions` has them."""
    words: list[list[int]] = []
    for action in actions:
        if words and words[-1][0] == action:
            words[-1][1] += 1
        else:
            words.append([action, 1])
    return " ".join(f"{action}x{count}" if count > 1 else str(action) for action, count in words)


def packed(pixels: bytes) -> str:
    """RGB bytes as `Replay.picture` has them."""
    return base64.b64encode(zlib.compress(pixels, 9)).decode("ascii")
