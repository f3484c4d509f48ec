"""Writing the folder: networks, beginnings, page, and the files of onnxruntime-web that the user has.

Nothing is downloaded here, and no file of others is part of this package: `npm install onnxruntime-web` (MIT licence)
brings what runs the networks in a browser. Knows worlds and files; the page is in `static/`.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from genieredux.config import FilePath
from genieredux.errors import UserError
from genieredux.frames import to_float
from genieredux.models.dynamics.canvas import sheet
from genieredux.models.dynamics.canvas.model import CUT, IN_PLACE, CanvasDynamics
from genieredux.models.dynamics.canvas.motion import AROUND, LIKELY, LOST, to_codes
from genieredux.models.world.card import card_path, read_card
from genieredux.models.world.file import find_world
from genieredux.models.world.model import WorldModel
from genieredux.play.scenes import Scene, Wanted, scene_of
from genieredux.play.web.graphs import write_networks
from genieredux.runs.files import new_folder, write_bytes, write_text

RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""What is needed of onnxruntime-web."""
USUAL = Path("node_modules/onnxruntime-web/dist")
"""Where `npm install onnxruntime-web` puts them."""
_STATIC = Path(__file__).parent / "static"
_OF_PLAY = ("fittings.js", "keys.js", "runs.js", "touchpad.js", "page.css", "controls.css", "icon.svg")
"""What the page has in common with that of `genieredux play`."""


@dataclass(frozen=True, kw_only=True)
class WebExport:
    """export web: a world as static files."""

    world: FilePath = "coinrun"
    """A canvas world: its file or folder, or the name of one that ships (play list)."""
    out: FilePath
    """The folder to write."""
    runtime: FilePath | None = None
    """The folder of onnxruntime-web's files; null: node_modules/onnxruntime-web/dist, where `npm install
    onnxruntime-web` puts them."""
    dataset: FilePath | None = None
    """The folder of a data set, whose test split gives the beginnings; null: those that travel in the world's file."""
    prompts: int = 12
    """How many beginnings of the data set."""
    latent: bool = False
    """Steer a world of latent actions by its codes, also where buttons stand for them."""


def write_web(job: WebExport, told: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Write the folder `job.out`, whole or not at all. Raises UserError for a world that cannot run there, for files of
    onnxruntime-web that are missing, and where `out` is there already.

    told: (steps done, of how many).
    """
    wanted = Wanted(job.dataset, job.prompts, job.latent, game="none")
    runtime = _runtime(job.runtime)
    path = find_world(job.world)
    scene = scene_of(path, wanted)
    world = cast(WorldModel, scene.world)
    dynamics = world.inner
    if not isinstance(dynamics, CanvasDynamics):
        raise UserError(
            f"{job.world} is a world of tokens, whose memory grows and whose frames take several passes; in the "
            f"browser run worlds that carry over what was seen (dynamics.architecture=canvas), such as world=coinrun"
        )
    if world.sampling.decided != "kept" and world.sampling.steps > 1:
        raise UserError("sampling.decided=published with several steps does not run in the browser; take steps=1")
    out = Path(job.out)
    with new_folder(out) as folder:
        told(0, 3)
        conditions = world.conditions(torch.arange(len(world.action_names)))
        write_networks(folder, dynamics, conditions)
        told(1, 3)
        write_text(folder / "world.json", json.dumps(_said(scene, world, dynamics, path)))
        write_bytes(folder / "prompts.bin", np.stack([prompt.frames for prompt in scene.prompts]).tobytes())
        told(2, 3)
        for source in sorted(_STATIC.iterdir()):
            write_bytes(folder / source.name, source.read_bytes())
        for name in _OF_PLAY:
            write_bytes(folder / name, (_STATIC.parent.parent / "static" / name).read_bytes())
        (folder / "runtime").mkdir()
        for name in RUNTIME:
            write_bytes(folder / "runtime" / name, (runtime / name).read_bytes())
        told(3, 3)
    return out


def _runtime(given: str | None) -> Path:
    folder = Path(given) if given is not None else USUAL
    missing = [name for name in RUNTIME if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{folder} has no {missing[0]} of onnxruntime-web, which runs networks in a browser; "
            f"`npm install onnxruntime-web`, then say runtime={USUAL} (or where its folder dist is)"
        )
    return folder


def _said(scene: Scene, world: WorldModel, dynamics: CanvasDynamics, path: Path) -> dict[str, Any]:
    """What the page must know; `static/world.js` reads it."""
    card = read_card(card_path(path))
    prompts = scene.prompts
    actions = np.stack([prompt.actions for prompt in prompts])
    frames = torch.stack([to_float(prompt.frames) for prompt in prompts])
    codes = dynamics.codes.cpu()
    led, owed = to_codes(dynamics.shifts(frames), codes, codes.new_zeros(len(frames), 2))
    config, sampling = dynamics.config, world.sampling
    return {
        "version": 1,
        "name": scene.name,
        "title": scene.name if card is None else card.title,
        "about": "" if card is None else card.about,
        "size": config.image_size,
        "margin": config.margin,
        "whole": config.whole_pixels,
        "width": config.motion_width,
        "known": sheet.KNOWN,
        "changed": sheet.CHANGED if config.reach else -1.0,  # under a camera that never moves all of it is written
        "inPlace": IN_PLACE if config.reach else 2.0,
        "actor": dynamics.actor is not None,
        "hidden": (1 - dynamics.beside()).flatten().nonzero().flatten().tolist(),  # pixels never laid on the canvas
        "cut": CUT,
        "codes": codes.tolist(),
        "around": AROUND,
        "likely": LIKELY,
        "lost": LOST,
        "actions": list(world.action_names),
        **asdict(scene.bindings),
        "notes": list(scene.notes),
        "sampling": {"choice": sampling.choice, "temperature": sampling.temperature, "steps": sampling.steps},
        "prompts": {"count": len(prompts), "actions": actions.tolist(), "motions": led.tolist(), "owed": owed.tolist()},
    }
