"""`genieredux play`: which world and how, then the server of the room `play`."""

from dataclasses import dataclass
from pathlib import Path

from genieredux.checking import above, at_least
from genieredux.cli.compose import compose_config
from genieredux.cli.manual import manual
from genieredux.cli.screen import say, wants_help
from genieredux.config import FilePath
from genieredux.errors import UserError


@dataclass(frozen=True)
class PlayCommand:
    """play: walk in a world in the browser."""

    world: FilePath | None = None
    """A world's file, or any model-<step>.pt of a dynamics; null: the world that ships with the package."""
    dataset: FilePath | None = None
    """The folder of a data set, whose test split gives the beginnings; null: those that travel in the world's file."""
    prompts: int = 12
    """How many beginnings of the data set."""
    latent: bool = False
    """Steer a world of latent actions by its codes, also where buttons stand for them."""
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
    above("fps", command.fps, 0)
    at_least("prompts", command.prompts, 1)
    from genieredux.models.world.file import load_world, shipped_world
    from genieredux.play import prompts_of, serve

    path = Path(command.world) if command.world else shipped_world()
    world, prompts = load_world(path, latent=command.latent)
    if command.dataset:
        prompts = prompts_of(world, command.dataset, command.prompts)
    elif not prompts:
        raise UserError(f"{path} carries no beginnings; say dataset=FOLDER, a data set of the same game")
    world.sampling = world.sampling.changed(command.steps, command.temperature, command.choice)
    serve(world, prompts, command.port, command.browser, command.fps, name=path.stem, announce=say)
