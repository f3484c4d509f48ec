"""From a published `.pt` to a checkpoint of this project, and one clear line for everything the file does not say.

What is missing is asked for (the tokenizer, the action embeddings); nothing is made up unless a key asks for it.
Knows files and models; no command line. How a dynamics is taken over is convert_dynamics.py's.
"""

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from genieredux.compat.convert_dynamics import DynamicsOptions, convert_dynamics, section_of
from genieredux.compat.published import latent_action_model_from_state_dict, tokenizer_from_state_dict
from genieredux.compat.published_file import PublishedFile, is_foreign, naming, open_published
from genieredux.compat.published_layout import State, read_grid_side, read_heads, read_patch_side
from genieredux.config import FilePath
from genieredux.errors import UserError
from genieredux.models.build import settings_of
from genieredux.models.checkpoint import Section, load_model, plain, save_model
from genieredux.models.latent.actions import STLatentActionConfig, STLatentActions
from genieredux.models.latent.genie_redux import GenieRedux, GenieReduxConfig
from genieredux.models.sampling import Sampling

KINDS = {
    "tokenizer": "tokenizer",
    "lam": "latent_action_model",
    "genie_redux": "dynamics",
    "genie_redux_guided": "dynamics",
}
"""What can be imported, and which model of the published file it is about."""

PUBLISHED_SIZE = 64
"""Pixels of a side in every published configuration."""


@dataclass(frozen=True)
class ImportOptions(DynamicsOptions):
    """What to make of a published file. The ones you will need: kind, and tokenizer for the last two kinds."""

    kind: str = ""
    """tokenizer, lam, genie_redux (latent actions) or genie_redux_guided (true actions)."""
    tokenizer: FilePath | None = None
    """The tokenizer of a dynamics, which published files leave out: a published .pt or an imported one."""
    out: FilePath | None = None
    """The checkpoint to write; null: checkpoints/<model>/<name of the file>/model-<step>.pt."""
    image_size: int | None = None
    """Pixels of a side; null: what the tensors say, else 64."""


@dataclass(frozen=True)
class Imported:
    """path: the checkpoint. kind: as written there. remarks: what was not in the file, or was left out; a line each."""

    path: Path
    kind: str
    parameters: int
    remarks: tuple[str, ...] = field(default=())


def import_published(source: str | Path, options: ImportOptions) -> Imported:
    """Write the checkpoint of a published file; whole or not at all. Raises UserError for what does not fit."""
    if options.kind not in KINDS:
        said = f"kind is '{options.kind}'" if options.kind else "kind is missing"
        raise UserError(f"{said}; say which model it is: kind={'|'.join(KINDS)}")
    file = open_published(source)
    part = KINDS[options.kind]
    if part not in file.models:
        raise UserError(f"{source} holds no {part.replace('_', ' ')}; {_what_it_is(file)}")
    if part == "dynamics" and (file.action_width > 0) != (options.kind == "genie_redux_guided"):
        raise UserError(
            f"{source} is not of kind={options.kind}, since its dynamics "
            f"{'concatenates' if file.action_width else 'adds'} actions; {_what_it_is(file)}"
        )
    remarks = [f"left out: {', '.join(file.left_out)}"] if file.left_out else []
    sections: dict[str, Section] = {}
    metadata: dict[str, Any] = {"imported_from": file.path.name}
    if options.kind == "tokenizer":
        section = _tokenizer(file, options, remarks)
    elif options.kind == "lam":
        section = _latent_actions(file, options)
    else:
        sections["tokenizer"] = _tokenizer_of(file, options, remarks)
        if options.kind == "genie_redux":
            sections["latent_action_model"] = _latent_actions_of(file, options)
        section, known = convert_dynamics(file, options.kind, options, sections, remarks)
        metadata |= {**known, "sampling": plain(Sampling(decided="published"))}
        if options.kind == "genie_redux":
            section = _joined(sections.pop("latent_action_model"), section)
    metadata["image_size"] = sections.get("tokenizer", section).config["image_size"]
    out = Path(options.out) if options.out else _default_out(file, section.kind)
    if out.exists():
        raise UserError(f"{out} exists; give another out=FILE")
    save_model(
        out, section.kind, section.config, section.state_dict, step=file.step, metadata=metadata, sections=sections
    )
    parameters = sum(t.numel() for held in (section, *sections.values()) for t in held.state_dict.values())
    return Imported(out, section.kind, parameters, tuple(remarks))


def _what_it_is(file: PublishedFile) -> str:
    """The kinds that a file can be imported as."""
    fits = {
        "tokenizer": "tokenizer" in file.models,
        "lam": "latent_action_model" in file.models,
        "genie_redux": "dynamics" in file.models and file.action_width == 0,
        "genie_redux_guided": file.action_width > 0,
    }
    return f"it can be imported as kind={', '.join(kind for kind in KINDS if fits[kind])}"


def _tokenizer(file: PublishedFile, options: ImportOptions, remarks: list[str]) -> Section:
    state = file.models["tokenizer"]
    size = options.image_size or PUBLISHED_SIZE
    if options.image_size is None:
        remarks.append(
            f"image size: no tensor of a tokenizer says it, taken as published: {size} (if not: image_size=...)"
        )
    with naming(file.path):
        heads, dim_head = _heads(state, "encoder.", "the tokenizer", options)
        return as_section(tokenizer_from_state_dict(state, heads=heads, dim_head=dim_head, image_size=size).model)


def _latent_actions(file: PublishedFile, options: ImportOptions) -> Section:
    state, what = file.models["latent_action_model"], "the latent action model"
    with naming(file.path):
        heads, dim_head = _heads(state, "encoder.", what, options)
        size = options.image_size or read_patch_side(state, what) * read_grid_side(state, what)
        model = latent_action_model_from_state_dict(state, heads=heads, dim_head=dim_head, image_size=size)
    if not model.draws:
        raise UserError(f"{file.path}: the latent action model has no decoder; it is not imported without one")
    ours = STLatentActions(STLatentActionConfig(**dataclasses.asdict(model.video.config), codebook="nearest"))
    ours.load_state_dict(model.state_dict())
    return as_section(ours)


def _tokenizer_of(file: PublishedFile, options: ImportOptions, remarks: list[str]) -> Section:
    """The tokenizer that a dynamics is imported with: out of its own file if it is there, else of another."""
    if options.tokenizer is None:
        if "tokenizer" in file.models:
            return _tokenizer(file, options, remarks)
        raise UserError(
            f"{file.path} holds no tokenizer (published GenieRedux files never do), and a dynamics is of no use "
            f"without; give the one that it was trained with: tokenizer=FILE"
        )
    other = Path(options.tokenizer)
    if is_foreign(other):
        opened = open_published(other)
        if "tokenizer" not in opened.models:
            held = ", ".join(opened.models)
            raise UserError(f"{other} holds no tokenizer (it holds: {held}); give another tokenizer=FILE")
        return _tokenizer(opened, options, remarks)
    data = load_model(other)
    section = data.model if data.kind == "tokenizer" else data.section("tokenizer")
    return Section(section.kind, section.config, section.state_dict, section.fingerprint)


def _latent_actions_of(file: PublishedFile, options: ImportOptions) -> Section:
    if "latent_action_model" not in file.models:
        raise UserError(
            f"{file.path} holds no latent action model, and without it the actions of kind=genie_redux are unknown; "
            f"give the whole file of the training"
        )
    return _latent_actions(file, options)


def _joined(latent_actions: Section, dynamics: Section) -> Section:
    """Latent action model and dynamics as the one model that GenieRedux is here."""
    parts = {"lam": latent_actions, "dynamics": dynamics}
    settings = GenieReduxConfig(settings_of("lam", latent_actions.config), settings_of("dynamics", dynamics.config))
    config = plain(settings)
    state = {f"{part}.{name}": t for part, held in parts.items() for name, t in held.state_dict.items()}
    return section_of(GenieRedux.kind, config, state)


def _heads(state: State, prefix: str, what: str, options: ImportOptions) -> tuple[int, int]:
    """What the options say, where they do, else what the tensors say; a contradiction is found when loading."""
    heads, dim_head = read_heads(state, prefix, what)
    return options.heads or heads, options.dim_head or dim_head


def as_section(model: nn.Module) -> Section:
    """A model in memory, as it travels in files."""
    return section_of(str(model.kind), plain(model.config), model.state_dict())


def _default_out(file: PublishedFile, kind: str) -> Path:
    """As the published files are laid out: the run's name is the file's, or its folder's where it is called model."""
    run = file.path.stem
    if re.fullmatch(r"model(-\d+)?", run):
        run = file.path.resolve().parent.name or "published"
    return Path("checkpoints") / kind / run / f"model-{file.step}.pt"
