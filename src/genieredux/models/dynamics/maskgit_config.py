"""The settings of the space-time MaskGIT dynamics: the papers' definition, the published one, and what may be studied.

P24 and P25 are the two GenieRedux papers (arXiv 2409.06445 and 2504.02515), G is Genie (2402.15391); "published" is
the public GenieRedux code.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from genieredux.errors import UserError
from genieredux.nn.blocks import BlockSettings, TransformerConfig
from genieredux.settings import Frames, Layers, Share, Weight, Width


@dataclass(frozen=True, kw_only=True)
class MaskGITConfig(BlockSettings):
    """A MaskGIT on space-time blocks. The defaults are GenieRedux-G of P25 (about 80 M parameters), trained so that
    every logit that sampling reads is supervised; `MaskGITConfig.published()` is the public code.

    The ones you will want to change: dim, blocks, conditioning, objective, token_input. Light settings for a small
    world: peg=False, feedforwards_per_block=1, normalise_context=True.
    """

    where: ClassVar[str] = "dynamics"

    architecture: Literal["st_maskgit"] = "st_maskgit"
    """A MaskGIT on space-time blocks, as in the papers."""
    blocks: Layers = 12
    """Blocks of the transformer."""
    bias_dim: Width = 64
    """Width of the network that gives the spatial position bias."""
    max_frames: Frames = 16
    """Frames with a learned position of their own; later ones share the last. Published: 15 (a table of 4000)."""
    window: Frames = 16
    """Frames that attention over time sees, the current one included."""

    conditioning: Literal["concat_every_layer", "concat_input", "add", "add_every_block", "film", "prepend"] = (
        "concat_every_layer"
    )
    """How the action reaches the tokens. concat_every_layer (P25): beside the tokens in the linear maps of every
    attention and feed-forward; the width stays dim. concat_input (published): once, at the input, and the whole
    transformer is wider by it: 256 M parameters with a 512-wide embedding. add (P24, P25 for latent actions): at the
    input. add_every_block: at the input of each block. film: as gain and shift of what every attention and
    feed-forward reads. prepend: as one more token of the frame (what the Jasmine reproduction of G found necessary)."""
    action_input: Literal["one_hot", "embedding", "given"] = "one_hot"
    """one_hot (P25). embedding (published, where it is neither trained nor saved; here it is both). given: the caller
    passes vectors (B, T, action_dim) for actions, e.g. latent ones."""
    action_dim: Width | None = None
    """Width of an embedded or given action; None: dim."""

    objective: Literal["next_frame_shift", "in_place"] = "next_frame_shift"
    """next_frame_shift (P24, P25, published): the tokens of frame t stand where those of frame t+1 are predicted, so
    that refining a frame informs the frames after it, not itself. in_place: the tokens of a frame are predicted where
    they are hidden, so that it does."""
    clean_history: Literal["none", "prefix", "all"] = "prefix"
    """Which frames of a training clip have no hidden token. none (published): any frame may have some, so the model
    never sees the clean past that it is given when it is used. prefix: a random number of frames at the start, as
    when a prompt is continued. all: every frame that another one looks back at; in_place then reads each frame twice,
    clean as history and hidden as target (the cost of a step doubles). With all, frames can only be decided one at a
    time."""
    supervise: Literal["all", "masked"] = "all"
    """next_frame_shift only. masked (published): the loss falls where the input is hidden; sampling then reads logits
    that nothing supervised. in_place always supervises the hidden tokens: the others are in plain sight."""

    token_input: Literal["ids", "codes", "both"] = "both"
    """ids: a learned embedding. codes: the codebook's vectors. both: their sum (P25's token skip)."""
    token_scale: Weight = 10.0
    """Of the codebook's vectors (published: 10). Vectors of another width than dim pass a learned linear map first."""
    logits: Literal["linear", "tied"] = "linear"
    """tied: inner products with the codebook's vectors, so that similar codes begin with similar logits."""
    stem: Literal["none", "conv"] = "none"
    """conv: a 3x3 convolution over the vectors of the last two frames before the predicted one is added to the input;
    hidden tokens count as zero."""

    mask_ratio: Literal["uniform", "cosine"] = "uniform"
    """uniform: U(0.5, 1) (G, P24). cosine: of a uniform angle (MaskGIT)."""
    mask_ratio_per: Literal["batch", "clip", "frame"] = "clip"
    """What shares one ratio. Published: the batch."""
    history_noise: Share = 0.0
    """Up to this share of the tokens that are seen is replaced at random in training, as a dream's past has errors.
    Published: none."""
    tdce_weight: Weight = 1.0
    """Of the token-distance term beside the cross-entropy: the expected cosine distance of the predicted code to the
    true one (P25: 1). Published: 0."""
    decoder_weight: Weight = 0.0
    """Of the squared error of pixels that the tokenizer decodes from expected codes (off in every paper run)."""
    gradient_shrink: Share = 1.0
    """What is left of the gradient of the token embeddings; the values stay. Published: 0.1."""

    def __post_init__(self) -> None:
        """Raises UserError for a value that no model can have, or a loss that falls nowhere."""
        super().__post_init__()
        if self.supervise == "masked" and self.objective == "next_frame_shift" and self.clean_history == "all":
            raise UserError(
                "dynamics.clean_history=all hides nothing, so supervise=masked has no loss; set supervise=all"
            )

    @classmethod
    def published(cls, guided: bool = True) -> "MaskGITConfig":
        """The public code: GenieRedux-G with its 512-wide action embedding, or GenieRedux, whose latent actions the
        caller passes. (Another public layout concatenates the one-hot action: action_input="one_hot".)
        """
        return cls(
            conditioning="concat_input" if guided else "add",
            action_input="embedding" if guided else "given",
            action_dim=512,
            clean_history="none",
            supervise="masked",
            token_input="both" if guided else "ids",
            mask_ratio_per="batch",
            tdce_weight=0.0,
            gradient_shrink=0.1,
            max_frames=15 if guided else 31,
        )

    def action_width(self, num_actions: int) -> int:
        """Values of an action as the transformer gets it."""
        return num_actions if self.action_input == "one_hot" else self.action_dim or self.dim

    def transformer(self, num_actions: int) -> TransformerConfig:
        """The blocks, conditioned as `conditioning` says."""
        width = self.action_width(num_actions)
        modes: dict[str, Literal["add", "concat", "modulate"]] = {
            "concat_every_layer": "concat",
            "add_every_block": "add",
            "film": "modulate",
        }
        return self.stack(
            self.blocks,
            dim=self.dim + (width if self.conditioning == "concat_input" else 0),
            spatial_bias_dim=self.bias_dim,
            cond_dim=width if self.conditioning in modes else None,
            cond_mode=modes.get(self.conditioning, "add"),
        )
