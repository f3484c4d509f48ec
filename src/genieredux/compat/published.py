"""The published models, from their state dicts: what a public checkpoint computes, in this project's blocks.

Three functions, one per model; every size is read from the tensors. Outputs equal those of the published code
(GenieRedux, K24 and P24; both public layouts of the guided model) to 1e-4 in float32. Knows no file and no sampling:
`compat/convert.py` makes checkpoints that train, dream and play.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from genieredux.compat.published_layout import (
    NAMES,
    State,
    load_strictly,
    read_codebook,
    read_patch,
    read_transformer,
    shape,
    strip_prefix,
)
from genieredux.errors import UserError
from genieredux.models.tokenizers.st_vivit import STViViT, STViViTConfig
from genieredux.models.tokenizers.video import STVideo, STVideoConfig
from genieredux.nn.quantize import VectorQuantize, VectorQuantizeConfig
from genieredux.nn.transformer import STTransformer, TransformerConfig

GRADIENT_SHRINK = 0.1
"""What the published dynamics leaves of its embeddings' gradient; the values are as they were."""
CODE_GAIN = 10.0
"""Code vectors enter the published dynamics times this."""

_DRAWING = ("decoder", "pixels_first", "pixels_rest")
"""The parts of an STVideo that only draw."""

M = TypeVar("M", bound=nn.Module)


class PublishedTokenizer(nn.Module):
    """The published tokenizer (ST-ViViT). `model` is the same as one of this project's tokenizers."""

    def __init__(self, model: STViViT) -> None:
        super().__init__()
        self.model = model

    def encode(self, frames: Tensor) -> Tensor:
        """Frames float32 (B, T, C, H, W) in [0, 1], frame 0 first of its clip, to ids int64 (B, T, h, w)."""
        return self.model.encode(_as_frames(frames, self.model))

    def decode(self, ids: Tensor) -> Tensor:
        """Ids int64 (B, T, h, w) to frames float32 (B, T, C, H, W), as the model gives them: not clamped.

        Raises UserError for ids of another grid, or that are none of the codebook's.
        """
        rows, columns = self.model.grid
        if ids.ndim != 4 or tuple(ids.shape[2:]) != (rows, columns):
            raise UserError(f"ids are {tuple(ids.shape)}, this tokenizer's are (clips, frames, {rows}, {columns})")
        _check_ids(ids, self.model.codebook_size)
        return self.model.decode_vectors(self.model.quantizer.codes(ids))

    def token_vectors(self) -> Tensor:
        """float32 (K, dim): the codebook projected out, which a dynamics with token input takes."""
        return self.model.quantizer.codes(torch.arange(self.model.codebook_size))


class PublishedLatentActionModel(nn.Module):
    """The published latent action model. Its tensors have the names of this project's STLatentActions."""

    def __init__(self, config: STVideoConfig, draws: bool = True) -> None:
        """config: of encoder, decoder and codebook. draws: False for one without a decoder."""
        super().__init__()
        self.video = STVideo(config)
        if not draws:
            for part in _DRAWING:
                setattr(self.video, part, None)
        self.to_action = nn.Sequential(nn.Linear(config.side**2 * config.dim, config.dim), nn.LayerNorm(config.dim))
        self.quantizer = VectorQuantize(
            config.dim, VectorQuantizeConfig.published(config.codebook_size, config.codebook_dim)
        )
        self.draws = draws

    @torch.no_grad()
    def actions(self, frames: Tensor) -> Tensor:
        """Frames float32 (B, T, C, H, W) in [0, 1] to the latent action of each transition, int64 (B, T-1)."""
        encoded = self.video.encode_features(_as_frames(frames, self))
        return self.quantizer.encode(self.to_action(encoded.flatten(2))[:, 1:])

    def vectors(self, ids: Tensor) -> Tensor:
        """Latent actions int64 (...) to the vectors (..., dim) that the decoder and the unguided dynamics add."""
        return self.quantizer.codes(ids)

    def reconstruct(self, frames: Tensor, actions: Tensor | None = None) -> Tensor:
        """Frames 1..T-1 (B, T-1, C, H, W), each drawn from those before it and its action; not clamped.

        actions: int64 (B, T-1); None: what `actions(frames)` says. Raises UserError if the file had no decoder,
        there is not one action for each transition, or one is none of the codebook's.
        """
        if not self.draws:
            raise UserError("this latent action model came without a decoder: it names actions and draws no frames")
        ids = self.actions(frames) if actions is None else actions
        if ids.shape != (frames.shape[0], frames.shape[1] - 1):
            raise UserError(
                f"actions are {tuple(ids.shape)}, {frames.shape[1]} frames of {frames.shape[0]} clips have "
                f"{(frames.shape[0], frames.shape[1] - 1)} transitions"
            )
        _check_ids(ids, self.quantizer.codebook_size)
        if ids.shape[1] == 0:
            return frames[:, 1:]
        seen = self.video.embed(_as_frames(frames[:, :-1], self))
        return self.video.decode_vectors(seen + self.vectors(ids)[:, :, None, None])


class PublishedDynamics(nn.Module):
    """The published MaskGIT: masked tokens and actions in, logits of the next frame's tokens out."""

    token_vectors: Tensor | None

    def __init__(
        self,
        config: TransformerConfig,
        *,
        dim: int,
        codes: int,
        places: int,
        logits_bias: bool = True,
        token_vectors: Tensor | None = None,
    ) -> None:
        """config: of the transformer, whose dim is `dim` plus the width of a concatenated action.

        codes: K; the mask id is K. places: rows of the position table. token_vectors: float32 (K, dim) or None.
        """
        super().__init__()
        self.token_emb = nn.Embedding(codes + 1, dim)
        self.pos_emb = nn.Embedding(places, dim)
        self.transformer = STTransformer(config)
        self.to_logits = nn.Linear(config.dim, codes, bias=logits_bias)
        vectors = None if token_vectors is None else torch.cat([token_vectors, token_vectors.new_zeros(1, dim)])
        self.register_buffer("token_vectors", vectors, persistent=False)

    @property
    def mask_id(self) -> int:
        """The id of a masked token: the number of codes."""
        return self.token_emb.num_embeddings - 1

    @property
    def action_width(self) -> int:
        """How many values of an action are concatenated to every token; 0: actions are added."""
        return self.transformer.config.dim - self.token_emb.embedding_dim

    def logits(self, ids: Tensor, actions: Tensor) -> Tensor:
        """Logits float32 (B, T, h, w, K), as the model gives them: those at (t, y, x) are of the token at (y, x) of
        frame t+1.

        ids: int64 (B, T, h, w), K where masked. actions: float (B, T, A), one for each frame of ids: what is
        concatenated to every token (guided: a one-hot vector, or an embedding) or added to it (A = the tokens'
        width). Raises UserError for a clip longer than the position table, ids that are neither a code nor K, or
        actions of another shape.
        """
        if ids.ndim != 4:
            raise UserError(f"ids are {tuple(ids.shape)}, this model takes (clips, frames, rows, columns)")
        _check_ids(ids, self.mask_id + 1)
        b, t, h, w = ids.shape
        dim, places = self.token_emb.embedding_dim, self.pos_emb.num_embeddings
        if t * h * w > places:
            raise UserError(f"{t} frames of {h}x{w} tokens are {t * h * w}, this model has positions for {places}")
        if actions.shape != (b, t, self.action_width or dim):
            raise UserError(
                f"actions are {tuple(actions.shape)}, this model takes {(b, t, self.action_width or dim)} "
                f"(clips, frames, {'concatenated' if self.action_width else 'added'} values)"
            )
        x = self.token_emb(ids)
        if self.token_vectors is not None:
            x = x + self.token_vectors[ids] * CODE_GAIN
        x = self.pos_emb.weight[: t * h * w].view(t, h, w, dim) + x
        x = x * GRADIENT_SHRINK + x.detach() * (1 - GRADIENT_SHRINK)
        action = actions.to(x.dtype)[:, :, None, None].expand(b, t, h, w, -1)
        x = torch.cat([x, action], -1) if self.action_width else x + action
        return self.to_logits(self.transformer(x))

    forward = logits


def tokenizer_from_state_dict(
    sd: Mapping[str, Any], *, heads: int, dim_head: int, image_size: int
) -> PublishedTokenizer:
    """The published tokenizer of a state dict, in eval mode and without gradients.

    sd: the published names, with or without a common prefix; other models in it are left. heads, dim_head: of the
    attention. image_size: pixels of a side. Raises UserError for missing, unknown or ill-shaped tensors.
    """
    what = NAMES["tokenizer"]
    state = _with_projections(strip_prefix(sd, "tokenizer"), what)
    model = STViViT(STViViTConfig(**_read_video(state, what, heads, dim_head, image_size)))
    load_strictly(model, state, what)
    return _frozen(PublishedTokenizer(model))


def latent_action_model_from_state_dict(
    sd: Mapping[str, Any], *, heads: int, dim_head: int, image_size: int
) -> PublishedLatentActionModel:
    """The published latent action model of a state dict, in eval mode and without gradients; see
    `tokenizer_from_state_dict`.

    One without a decoder (which the dynamics does not need) can name actions and draws nothing.
    """
    what = NAMES["latent_action_model"]
    state = _with_projections(strip_prefix(sd, "latent_action_model"), what)
    config = STVideoConfig(**_read_video(state, what, heads, dim_head, image_size))
    _, read = shape(state, "to_action_emb.1.weight", what)
    if read != config.side**2 * config.dim:
        raise UserError(
            f"{what} reads {read // config.dim} tokens a frame, image_size={image_size} with patches of "
            f"{config.patch_size} gives {config.side**2}; say the image size it was trained for"
        )
    draws = any(name.startswith("decoder.") for name in state)
    if not draws:
        state = {name: tensor for name, tensor in state.items() if not name.startswith("to_pixels")}
    model = PublishedLatentActionModel(config, draws=draws)
    load_strictly(model, state, what, within="video.")
    return _frozen(model)


def dynamics_from_state_dict(
    sd: Mapping[str, Any], *, heads: int, dim_head: int, guided: bool, token_vectors: Tensor | None = None
) -> PublishedDynamics:
    """The published MaskGIT of a state dict, in eval mode and without gradients.

    guided: actions are concatenated to the tokens (the file is wider after them), else added. token_vectors: float
    (K, dim), the codebook projected out, for a model with token input (`PublishedTokenizer.token_vectors()`); the
    state dict does not say whether it is one. Raises UserError for missing, unknown or ill-shaped tensors.
    """
    what = NAMES["dynamics"]
    state = strip_prefix(sd, "dynamics")
    rows, dim = shape(state, "token_emb.weight", what)
    sizes = read_transformer(state, "transformer.", what, heads, dim_head)
    if guided != (sizes["dim"] > dim):
        raise UserError(
            f"the transformer is {sizes['dim']} wide and its tokens {dim}: actions are "
            f"{'concatenated' if sizes['dim'] > dim else 'added'}; say guided={sizes['dim'] > dim}"
        )
    if token_vectors is not None and token_vectors.shape != (rows - 1, dim):
        raise UserError(
            f"token_vectors are {tuple(token_vectors.shape)}, this dynamics has {rows - 1} codes of width {dim}; "
            f"give the codebook of its tokenizer, projected out"
        )
    bias_width = shape(state, "continuous_pos_bias.net.0.0.weight", what)[0]
    config = TransformerConfig(**sizes, order="st", spatial_bias="cpb", spatial_bias_dim=bias_width)
    model = PublishedDynamics(
        config,
        dim=dim,
        codes=rows - 1,
        places=shape(state, "pos_emb.weight", what)[0],
        logits_bias="to_logits.bias" in state,
        token_vectors=None if token_vectors is None else token_vectors.detach().float(),
    )
    load_strictly(model, state, what)
    return _frozen(model)


def _read_video(state: State, what: str, heads: int, dim_head: int, image_size: int) -> dict[str, Any]:
    """Fields of an STVideoConfig with a codebook of the published rule."""
    sizes = read_transformer(state, "encoder.", what, heads, dim_head)
    blocks = sizes.pop("depth")
    return {
        **sizes,
        **read_patch(state, what, image_size),
        **read_codebook(state, what),
        "blocks": blocks,
        "quantizer": "gradient",
    }


def _with_projections(state: State, what: str) -> State:
    """A codebook as wide as the model has no projections in the published code: identities take their place."""
    width = read_codebook(state, what)["codebook_dim"]
    dim = shape(state, "encoder.norm_out.gamma", what, axes=1)[0]
    if width != dim or "vq.project_in.weight" in state:
        return state
    identity = {}
    for name in ("vq.project_in", "vq.project_out"):
        identity[f"{name}.weight"] = torch.eye(dim)
        identity[f"{name}.bias"] = torch.zeros(dim)
    return {**state, **identity}


def _as_frames(frames: Tensor, module: nn.Module) -> Tensor:
    """Frames in the dtype of the module; whole numbers (0 to 255) are not taken for values in [0, 1]."""
    if not frames.is_floating_point():
        raise UserError(f"frames are {frames.dtype}; give floats in [0, 1]")
    return frames.to(next(module.parameters()).dtype)


def _check_ids(ids: Tensor, count: int) -> None:
    if ids.is_floating_point() or (ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < count):
        raise UserError(f"ids must be whole numbers from 0 to {count - 1}")


def _frozen(module: M) -> M:
    return module.eval().requires_grad_(False)
