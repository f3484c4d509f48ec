"""A published dynamics as one of this project's (`models/dynamics/maskgit.py`, in its published formulation).

The tensors are taken over one to one, but for three: the position table is cut into frames, the code vectors'
projection comes from the tokenizer, and its shift, which the published code adds to every shown token, goes into the
token embedding. Knows tensors and configurations; no file.
"""

import dataclasses
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genieredux.compat.published import CODE_GAIN, PublishedDynamics, dynamics_from_state_dict
from genieredux.compat.published_file import PublishedFile, naming
from genieredux.compat.published_layout import State, read_heads
from genieredux.config import FilePath
from genieredux.errors import UserError
from genieredux.models.checkpoint import Section, fingerprint, plain
from genieredux.models.dynamics.maskgit import MaskGIT
from genieredux.models.dynamics.maskgit_config import MaskGITConfig

CANONICAL_ACTIONS = ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP")
"""What the five published actions are, in the published order."""
NEW = "new"


@dataclass(frozen=True)
class DynamicsOptions:
    """What the tensors of a published dynamics do not say."""

    heads: int | None = None
    """Of the attention, as a check; null: what the tensors say."""
    dim_head: int | None = None
    """Width of a head, as a check; null: what the tensors say."""
    token_input: bool | None = None
    """Whether code vectors enter beside token embeddings; null: as in the published configurations, where a model
    with action embeddings has them and others have not."""
    action_names: tuple[str, ...] = ()
    """The true actions in order; empty: the file's, else the five canonical ones."""
    action_embeddings: FilePath | None = None
    """For a guided file without its table of action embeddings: a .pt that holds it, or `new` to draw one (the dreams
    then follow no true action until it is trained)."""
    seed: int = 0
    """Of a table that is drawn."""


def convert_dynamics(
    file: PublishedFile, kind: str, options: DynamicsOptions, sections: Mapping[str, Section], remarks: list[str]
) -> tuple[Section, dict[str, Any]]:
    """The dynamics of a file as a section of kind `genie_redux` or `genie_redux_guided`, and what to note with it.

    sections: the tokenizer, and for genie_redux the latent action model. remarks: gets a line for everything that the
    file did not say. Raises UserError for what is missing and not asked for.
    """
    state = file.models["dynamics"]
    guided = kind == "genie_redux_guided"
    with naming(file.path):
        heads, dim_head = read_heads(state, "transformer.", "the dynamics")
        published = dynamics_from_state_dict(
            state, heads=options.heads or heads, dim_head=options.dim_head or dim_head, guided=guided
        )
    tokenizer = sections["tokenizer"]
    codes = _code_vectors(tokenizer)
    if len(codes) != published.mask_id:
        raise UserError(
            f"the dynamics has {published.mask_id} codes, its tokenizer {len(codes)}; "
            f"give the tokenizer that it was trained with: tokenizer=FILE"
        )
    dim = published.token_emb.embedding_dim
    if not guided and sections["latent_action_model"].config["dim"] != dim:
        raise UserError(
            f"the latent action model has vectors of {sections['latent_action_model'].config['dim']} values, the "
            f"dynamics adds {dim}; give a file of one training"
        )
    names = _action_names(file, guided, options, sections, remarks)
    embedded = guided and (file.action_embeddings is not None or published.action_width >= dim)
    one_hot = guided and not embedded
    if one_hot and len(names) != published.action_width:
        raise UserError(
            f"the dynamics takes one-hot actions of {published.action_width} values, {len(names)} are named "
            f"({', '.join(names)}); give action_names=[...] with {published.action_width} names"
        )
    token_input = embedded if options.token_input is None else options.token_input
    if options.token_input is None:
        remarks.append(
            f"token input: no tensor says whether code vectors enter; as in the published configurations of this "
            f"layout they {'do' if token_input else 'do not'} (if not: token_input={str(not token_input).lower()})"
        )
    side = tokenizer.config["image_size"] // tokenizer.config["patch_size"]
    config = _config(published, state, guided, one_hot, token_input, side)
    model = MaskGIT(config, codes, (side, side), len(names))
    ours = _tensors(published, tokenizer, token_input, config, side)
    known: dict[str, Any] = {"action_names": list(names)}
    if embedded:
        ours["action_emb.weight"], known["action_embeddings"] = _embeddings(
            file, names, published.action_width, options, remarks
        )
    model.load_state_dict({**model.state_dict(), **ours})
    return section_of(kind, plain(config), model.state_dict()), known


def section_of(kind: str, config: dict[str, Any], state: State) -> Section:
    """A model in memory, as it travels in files."""
    tensors = {name: tensor.detach() for name, tensor in state.items()}
    return Section(kind, config, tensors, fingerprint(kind, config, tensors))


def _config(
    published: PublishedDynamics, state: State, guided: bool, one_hot: bool, token_input: bool, side: int
) -> MaskGITConfig:
    sizes = published.transformer.config
    frames = published.pos_emb.num_embeddings // side**2
    if frames < 1:
        raise UserError(
            f"the dynamics has {published.pos_emb.num_embeddings} positions, fewer than the {side**2} tokens of a "
            f"frame of its tokenizer; give the tokenizer that it was trained with: tokenizer=FILE"
        )
    return dataclasses.replace(
        MaskGITConfig.published(guided),
        dim=published.token_emb.embedding_dim,
        blocks=sizes.depth,
        heads=sizes.heads,
        dim_head=sizes.dim_head,
        ff_mult=sizes.ff_mult,
        bias_dim=state["continuous_pos_bias.net.0.0.weight"].shape[0],
        max_frames=frames,
        window=frames,
        action_input="one_hot" if one_hot else "embedding" if guided else "given",
        action_dim=published.action_width or None,
        token_input="both" if token_input else "ids",
        token_scale=CODE_GAIN,
    )


def _tensors(
    published: PublishedDynamics, tokenizer: Section, token_input: bool, config: MaskGITConfig, side: int
) -> dict[str, Tensor]:
    """What MaskGIT calls the published tensors."""
    own = published.state_dict()
    tokens = own.pop("token_emb.weight").clone()
    positions = own.pop("pos_emb.weight")[: config.max_frames * side**2]
    own.setdefault("to_logits.bias", torch.zeros(len(tokens) - 1))
    own["inputs.pos_emb"] = positions.view(config.max_frames, side, side, -1)
    if token_input:
        weight = tokenizer.state_dict["quantizer.project_out.weight"]
        shift = tokenizer.state_dict["quantizer.project_out.bias"]
        if weight.shape[0] != config.dim:
            raise UserError(
                f"the tokenizer's codes come out {weight.shape[0]} wide, the dynamics is {config.dim}; "
                f"give the tokenizer that it was trained with: tokenizer=FILE"
            )
        tokens[:-1] += config.token_scale * shift  # hidden tokens, the last row, have no code
        if weight.shape[0] != weight.shape[1]:
            own["inputs.project.weight"] = weight
    own["inputs.token_emb.weight"] = tokens
    return own


def _code_vectors(tokenizer: Section) -> Tensor:
    if tokenizer.config.get("architecture") != "st_vivit" or "quantizer.codebook" not in tokenizer.state_dict:
        raise UserError(
            "tokenizer= is none of the published kind; give the tokenizer that the dynamics was trained with"
        )
    return tokenizer.state_dict["quantizer.codebook"]


def _action_names(
    file: PublishedFile,
    guided: bool,
    options: DynamicsOptions,
    sections: Mapping[str, Section],
    remarks: list[str],
) -> tuple[str, ...]:
    """True actions of a guided model, the codes of a latent one."""
    if not guided:
        return tuple(f"LATENT_{code}" for code in range(sections["latent_action_model"].config["codebook_size"]))
    if options.action_names or file.action_names:
        return options.action_names or file.action_names
    remarks.append(
        f"action names: not in the file, as published: {', '.join(CANONICAL_ACTIONS)} (if not: action_names=[...])"
    )
    return CANONICAL_ACTIONS


def _embeddings(
    file: PublishedFile, names: tuple[str, ...], width: int, options: DynamicsOptions, remarks: list[str]
) -> tuple[Tensor, str]:
    """A row for each action, and where it is from."""
    table, source = file.action_embeddings, "from the file"
    if options.action_embeddings == NEW:
        generator = torch.Generator().manual_seed(options.seed)
        table, source = torch.randn(len(names), width, generator=generator), f"drawn anew with seed {options.seed}"
        remarks.append(f"action embeddings: {source}; dreams follow no true action until they are trained")
    elif options.action_embeddings is not None:
        table, source = _read_table(Path(options.action_embeddings)), f"from {Path(options.action_embeddings).name}"
    if table is None:
        raise UserError(
            f"{file.path} has no action embeddings (the published code neither trains nor saves them), and without "
            f"them no action means anything; give action_embeddings=FILE with their table, or action_embeddings=new "
            f"to draw one and train it"
        )
    if table.shape[1] != width or len(table) < len(names):
        raise UserError(
            f"the action embeddings are {tuple(table.shape)}, needed are {len(names)} rows ({', '.join(names)}) "
            f"of {width} values"
        )
    return table[: len(names)].float().clone(), source


def _read_table(path: Path) -> Tensor:
    if not path.is_file():
        raise UserError(f"action_embeddings={path}: there is no such file; give a .pt of one matrix, or new")
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise UserError(f"action_embeddings={path} cannot be read; give a .pt of one matrix") from error
    if isinstance(held, Mapping) and len(held) == 1:
        held = next(iter(held.values()))
    if not isinstance(held, Tensor) or held.ndim != 2:
        raise UserError(f"action_embeddings={path} is no matrix of rows; give a .pt of one")
    return held
