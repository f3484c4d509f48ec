"""`genieredux play`: which world and how, then the server of the room `play`."""

from dataclasses import dataclass
from pathlib import Path

from genieredux.cli.compose import compose_config
from genieredux.cli.manual import manual
from genieredux.cli.screen import say, wants_help
from genieredux.config import FilePath
from genieredux.errors import UserError


@dataclass(frozen=True)
class PlayCommand:
    """play: walk in a world in the browser."""

    world: FilePath | None = None
    """A world's file; null: the one that ships with the package."""
    port: int = 8765
    """On 127.0.0.1; 0 takes a free one."""
    browser: bool = True
    """Open the page in the browser."""
    fps: float = 15.0
    """Frames a second at most."""
    steps: int | None = None
    """Refinement steps a frame; null: as the world says (models/sampling.py, like the next two)."""
    temperature: float | None = None
    """Of the noise on the logits; null: as the world says."""
    choice: str | None = None
    """mode takes the likeliest token, mean the one nearest to the expected vector; null: as the world says."""


def play(words: list[str]) -> None:
    """Walk in a world in the browser."""
    if wants_help(words):
        about = "Walk in a world in the browser: for example genieredux play world=FILE port=8765 browser=false"
        return say(manual("play [key=value ...]", about, "genieredux.cli.play:PlayCommand"))
    command = compose_config("play", PlayCommand, words)
    from genieredux.models.world.file import load_world, shipped_world
    from genieredux.play import serve

    path = Path(command.world) if command.world else shipped_world()
    world, prompts = load_world(path)
    if not prompts:
        raise UserError(f"{path} carries no prompts to begin from; give a world.pt that `genieredux demo` wrote")
    world.sampling = world.sampling.changed(command.steps, command.temperature, command.choice)
    serve(world, prompts, command.port, command.browser, command.fps, name=path.stem, announce=say)
