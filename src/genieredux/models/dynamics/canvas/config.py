"""Settings of the canvas dynamics."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from genieredux.errors import UserError
from genieredux.settings import Codes, Frames, Layers, Never, Range, Settings, Share, Weight, Width

SIDE = 8
"""An image's side is a multiple of this: three halvings."""


@dataclass(frozen=True, kw_only=True)
class CanvasConfig(Settings):
    """Settings of the dynamics. The ones you will want to change: width, motion_width, chains."""

    where: ClassVar[str] = "dynamics"
    needs_tokenizer: ClassVar[bool] = False

    architecture: Literal["canvas"] = "canvas"
    """What was seen is carried over, what is new is painted; a token says how the picture moves."""
    image_size: Annotated[int, Range(SIDE, 1024)] = 64
    """Pixels of a side; that of the data set."""
    codebook_size: Codes = 256
    """How many motions of the picture there are to choose from."""
    reach: Annotated[int, Range(0, 64), Never(1, "0 (the camera never moves) or at least 2")] = 8
    """The farthest motion of the picture between two frames that is looked for, in pixels (2 or more). 0: the camera
    never moves, and there is one token, which says so."""
    sprites: Annotated[int, Range(0, 256)] = 0
    """Motions that things may make by themselves, found in the data: the last frame under each of them is offered to
    the painter (worlds/airstriker: 12). 0: none."""
    margin: Annotated[int, Range(8, 1024)] = 48
    """Pixels that the canvas remembers on each side of the picture."""
    whole_pixels: bool = False
    """Nothing is carried over to between two pixels, so that it stays as sharp as it was seen (quickstart/canvas:
    true); right for games that draw at whole pixels, as consoles do. False: resampled to where it belongs, as in worlds
    that were made before."""
    width: Width = 32
    """Channels of the painter at half the resolution; twice and three times as many further down."""
    blocks: Layers = 2
    """Residual blocks of the painter at an eighth of the resolution."""
    motion_width: Width = 192
    """Width of the motion prior."""
    action_width: Width | None = None
    """Actions are vectors of so many values, which the caller gives (latent actions); None: indices."""
    continued: Annotated[int, Range(0, 64), Never(1, "0 (what is new is painted alone) or at least 2")] = 0
    """How far off, in pixels, what was seen is looked for that may go on where nothing was: walls and floors are
    copied, and what an actor hides (quickstart/canvas: 8). 0: what is new is painted alone, as in worlds that were
    made before."""
    actor: Annotated[int, Range(0, 1024)] = 0
    """Side in pixels of the square that a network of its own redraws in place: the agent that a camera follows
    (quickstart/canvas: 10). 0: none, as in worlds that were made before there was one."""
    actor_width: Width = 512
    """Width of that network."""
    chains: Annotated[tuple[Frames, ...], Never((), "at least one length, for example [4]")] = (1,)
    """In training the painter goes on from its own frames until it has drawn so many in a row, one of these numbers for
    each batch; 1: every frame after true ones, which is best where time is short (docs/results.md)."""
    painted: Share = 0.25
    """Share of the clips of a batch that are painted; the motion prior learns from all."""
    dreamt: Share = 0.0
    """Share of the clips of a batch that the motion prior dreams itself, to learn from what its errors look like
    (quickstart/canvas: 0.25). 0: it learns from true motions alone."""
    softness: Annotated[float, Range(0.01, 8)] = 0.15
    """In pixels: motions so near to the true one count as right too, by a Gaussian."""
    noise: Annotated[float, Range(0, 1)] = 0.03
    """Standard deviation, at most, of the noise on the frames that the motion prior sees in training."""
    paint_weight: Weight = 10.0
    """Of the painter's loss beside the motion prior's."""
    new_weight: Weight = 2.0
    """How much more an error counts where nothing was known."""
    edges_weight: Weight = 0.5
    """Of the error of the differences between neighbouring pixels."""

    @property
    def motions(self) -> int:
        """Motions that there are to choose from."""
        return self.codebook_size if self.reach else 1

    def __post_init__(self) -> None:
        """Raises UserError for a value that its type does not allow, an actor larger than the image, or a side that
        cannot be halved three times."""
        super().__post_init__()
        if self.actor > self.image_size:
            raise UserError(f"dynamics.actor={self.actor} is larger than the image, of {self.image_size} pixels a side")
        if self.image_size % SIDE:
            raise UserError(
                f"dynamics.architecture=canvas takes frames whose side is a multiple of {SIDE}, and these are of "
                f"{self.image_size}; collect at image_size={max(SIDE, round(self.image_size / SIDE) * SIDE)}"
            )
