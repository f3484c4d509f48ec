"""What a published state dict is of: its prefix, its sizes, and whether it is whole.

Every size is read from the shapes of the tensors; what they cannot say (how many heads a projection is cut into, how
large the image is) the caller says, and it is checked against what they do say. Knows no model of ours.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from genieredux.checking import nearest_few
from genieredux.compat.published_names import published_name, rename, rename_state_dict
from genieredux.errors import UserError

State = dict[str, Tensor]

ANCHORS = {
    "dynamics": "token_emb.weight",
    "latent_action_model": "to_action_emb.1.weight",
    "tokenizer": "to_patch_emb_first_frame.1.weight",
}
"""The key that tells a model; a latent action model has the tokenizer's as well."""
NAMES = {"dynamics": "a dynamics", "latent_action_model": "a latent action model", "tokenizer": "a tokenizer"}
"""The same, in messages."""

FF_MULT = 4.0
"""The published inner width of a feed-forward is int(FF_MULT * 2/3 * dim)."""


def flatten(state: Mapping[str, Any], where: str = "") -> State:
    """Nested state dicts as one, names joined by dots. Raises UserError for a leaf that is no tensor."""
    flat: State = {}
    for key, value in state.items():
        name = f"{where}{key}"
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{name}."))
        elif isinstance(value, Tensor):
            flat[name.replace("_orig_mod.", "")] = value
        else:
            raise UserError(
                f"'{name}' is a {type(value).__name__}, no tensor: give the state dict alone (file['model'])"
            )
    return flat


def find_models(flat: State) -> dict[str, list[str]]:
    """The prefixes below which there is a model, by its kind (a key of `ANCHORS`), in the order of the keys."""
    found: dict[str, list[str]] = {}
    for name in flat:
        for kind, anchor in ANCHORS.items():
            if name != anchor and not name.endswith(f".{anchor}"):
                continue
            prefix = name.removesuffix(anchor)
            if kind == "tokenizer" and prefix + ANCHORS["latent_action_model"] in flat:
                continue
            found.setdefault(kind, []).append(prefix)
    return found


def split_models(flat: State) -> tuple[dict[str, str], dict[str, State], list[str]]:
    """(the prefix of each kind of model, its tensors without that prefix, the names that belong to none).

    Raises UserError where there are two models of a kind.
    """
    models = find_models(flat)
    for kind, below in models.items():
        if len(below) > 1:
            places = ", ".join(f"'{prefix}'" for prefix in below)
            raise UserError(f"this state dict holds {len(below)} of {kind} (below {places}); give one of them")
    prefixes = {kind: below[0] for kind, below in models.items()}
    states: dict[str, State] = {kind: {} for kind in prefixes}
    outside = []
    for name, tensor in flat.items():
        owners = [kind for kind, prefix in prefixes.items() if name.startswith(prefix)]
        if owners:
            owner = max(owners, key=lambda kind: len(prefixes[kind]))
            states[owner][name.removeprefix(prefixes[owner])] = tensor
        else:
            outside.append(name)
    return prefixes, states, outside


def strip_prefix(state: Mapping[str, Any], kind: str) -> State:
    """The tensors of the one model of a kind, without the prefix (`model.`, `module.`, `dynamics.maskgit.` ...).

    state: may be nested, and may be that of a whole GenieRedux: its other models and its table of action embeddings
    are left. kind: a key of `ANCHORS`. Raises UserError if there is no such model or there are two of a kind, or for
    keys that belong to no model.
    """
    flat = flatten({key: value for key, value in state.items() if key.split(".")[0] != "action_embeddings"})
    prefixes, states, outside = split_models(flat)
    if kind not in states:
        raise UserError(_none_of(kind, flat, states))
    if outside:
        prefix = prefixes[kind]
        raise UserError(
            f"the state dict of {NAMES[kind]} lies below '{prefix}', but {len(outside)} keys do not ({_few(outside)}); "
            f"give what is below '{prefix}' alone"
        )
    return states[kind]


def _none_of(kind: str, flat: State, models: Iterable[str]) -> str:
    near = ", ".join(nearest_few(ANCHORS[kind], flat)) or "it is empty"
    held = " and ".join(f"{NAMES[other]} ('{ANCHORS[other]}')" for other in models)
    return (
        f"this is no state dict of {NAMES[kind]}: it has no '{ANCHORS[kind]}' of one "
        f"({f'it is of {held}' if held else f'nearest: {near}'})"
    )


def shape(state: State, name: str, what: str, axes: int = 2) -> tuple[int, ...]:
    """The shape of a tensor. Raises UserError if it is missing, or has another number of axes."""
    if name not in state:
        near = ", ".join(nearest_few(name, state))
        raise UserError(f"the state dict of {what} has no '{name}' (nearest: {near})")
    if state[name].ndim != axes:
        raise UserError(f"'{name}' in the state dict of {what} has shape {tuple(state[name].shape)}, not {axes} axes")
    return tuple(state[name].shape)


def read_heads(state: State, prefix: str, what: str) -> tuple[int, int]:
    """(heads, dim_head) of the transformer whose keys begin with `prefix`."""
    block = f"{prefix}layers.0.0.spatial_attention"
    (dim_head,) = shape(state, f"{block}.q_scale", what, axes=1)
    return shape(state, f"{block}.to_q.weight", what)[0] // dim_head, dim_head


def read_transformer(state: State, prefix: str, what: str, heads: int, dim_head: int) -> dict[str, Any]:
    """Fields of a TransformerConfig: dim, depth, heads, dim_head, ff_mult.

    Raises UserError if heads and dim_head are not those of the tensors.
    """
    said = read_heads(state, prefix, what)
    if (heads, dim_head) != said:
        raise UserError(
            f"{what} has {said[0]} heads of dimension {said[1]}, not heads={heads} dim_head={dim_head}; "
            f"say heads={said[0]} dim_head={said[1]}"
        )
    blocks = {
        name.removeprefix(f"{prefix}layers.").split(".")[0] for name in state if name.startswith(f"{prefix}layers.")
    }
    dim, inner = shape(state, f"{prefix}layers.0.0.spatial_ff.4.weight", what)
    return {"dim": dim, "depth": len(blocks), "heads": heads, "dim_head": dim_head, "ff_mult": _ff_mult(dim, inner)}


def read_patch_side(state: State, what: str) -> int:
    """Pixels of a side of a patch."""
    return _patch(state, what)[0]


def read_patch(state: State, what: str, image_size: int) -> dict[str, int]:
    """Fields of a tokenizer's config: image_size, patch_size, channels (3, or 1 where the patch cannot be colour)."""
    side, channels = _patch(state, what)
    if image_size < side or image_size % side:
        raise UserError(
            f"image_size={image_size} is not divisible by patch size {side}, which the tensors of {what} have; "
            f"say the image size it was trained for"
        )
    return {"image_size": image_size, "patch_size": side, "channels": channels}


def _patch(state: State, what: str) -> tuple[int, int]:
    values = shape(state, "to_patch_emb_first_frame.1.weight", what, axes=1)[0]
    rest = shape(state, "to_patch_emb.1.weight", what, axes=1)[0]
    if rest != values:
        raise UserError(
            f"{what} puts several frames into a patch ({rest} values against {values} of the first frame); "
            f"only a temporal patch size of 1 is known here"
        )
    for channels in (3, 1):
        side = math.isqrt(values // channels)
        if channels * side * side == values:
            return side, channels
    raise UserError(f"{what} has patches of {values} values, which are no square of 3 or 1 channels")


def read_grid_side(state: State, what: str) -> int:
    """Patches of a side of a frame, which a latent action model's tensors tell."""
    dim, values = shape(state, "to_action_emb.1.weight", what)
    return math.isqrt(values // dim)


def read_codebook(state: State, what: str) -> dict[str, int]:
    """Fields of a tokenizer's config: codebook_size, codebook_dim."""
    books, size, width = shape(state, "vq._codebook.embed", what, axes=3)
    if books != 1:
        raise UserError(f"{what} has {books} codebooks; only one is known here")
    return {"codebook_size": size, "codebook_dim": width}


def load_strictly(module: nn.Module, state: State, what: str, within: str = "") -> None:
    """Load published tensors into our module: every one of them, and no parameter left as it was.

    within: the part of our names that published files do not have (`video.`). Tensors that have no effect in the
    published model are left out; a shift that would have one raises UserError, as do missing and unknown keys and
    shapes that do not fit.
    """
    shifts = [n for n, t in state.items() if n.endswith(".beta") and ".context_norm." not in n and bool(t.any())]
    if shifts:
        raise UserError(f"{what} has norms with a shift that is not zero ({_few(shifts)}); no published model has")
    expected = {published_name(name.removeprefix(within)): name for name in module.state_dict()}
    unknown = [name for name in state if name not in expected and rename(name) is not None]
    missing = [name for name in expected if name not in state]
    if unknown or missing:
        raise UserError(f"the state dict of {what} does not fit: {_difference(unknown, missing, expected, state)}")
    own = module.state_dict()
    renamed = rename_state_dict(state)
    ours = {expected[name]: renamed[str(rename(name))] for name in expected}
    for name, tensor in ours.items():
        if tensor.shape != own[name].shape:
            raise UserError(
                f"'{published_name(name.removeprefix(within))}' of {what} is {tuple(tensor.shape)}, "
                f"the other tensors ask for {tuple(own[name].shape)}"
            )
    module.load_state_dict(ours)


def _ff_mult(dim: int, inner: int) -> float:
    """A multiplier that int(mult * 2/3 * dim) turns into `inner`."""
    if int(FF_MULT * (2 / 3) * dim) == inner:
        return FF_MULT
    return (inner + 0.5) * 1.5 / dim


def _difference(unknown: list[str], missing: list[str], expected: Mapping[str, str], state: State) -> str:
    parts = []
    if unknown:
        near = nearest_few(unknown[0], missing or expected)
        parts.append(f"{len(unknown)} keys are unknown ({_few(unknown)}; nearest known: {', '.join(near)})")
    if missing:
        near = nearest_few(missing[0], unknown or state)
        parts.append(f"{len(missing)} keys are missing ({_few(missing)}; nearest present: {', '.join(near)})")
    return "; ".join(parts)


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
