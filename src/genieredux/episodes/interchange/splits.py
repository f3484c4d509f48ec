"""Which part of imported data is for training, validation and test. Knows no file.

The published rule: of n things in order, the first floor(0.9 n) train, up to floor(0.99 n) validate, the rest test.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import floor

from genieredux.errors import UserError

Progress = Callable[[int, int], None]
"""Called with (done, in all) as an import or export goes on."""


@dataclass(frozen=True)
class Shares:
    """What part of the data validates and tests; the rest trains.

    Raises UserError unless both are 0 or more and their sum is below 1.
    """

    validation: float = 0.09
    test: float = 0.01

    def __post_init__(self) -> None:
        if not (self.validation >= 0 and self.test >= 0 and self.validation + self.test < 1):
            raise UserError(
                f"validation={self.validation} test={self.test}: each must be 0 or more, and their sum below 1"
            )

    def split(self, number: int, count: int) -> str:
        """The split of thing `number` out of `count`; a thing that is alone trains."""
        train = floor(round(count * (1 - self.validation - self.test), 9))
        held = floor(round(count * (1 - self.test), 9))
        if number < max(train, 1):
            return "train"
        return "validation" if number < held else "test"
