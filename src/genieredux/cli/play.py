"""`genieredux play`: which world and how, then the server of the room `play`."""

import secrets
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from genieredux.checking import above, at_least, within
from genieredux.cli.compose import compose_config
from genieredux.cli.manual import manual
from genieredux.cli.screen import say, wants_help
from genieredux.cli.worlds import list_worlds
from genieredux.config import FilePath


@dataclass(frozen=True)
class PlayCommand:
    """play: walk in a world in the browser."""

    world: FilePath | None = None
    """A world's file or folder, the name of one that ships (play list) or of a repository on the Hub, or any
    model-<step>.pt of a dynamics; null: the world that ships with the package."""
    dataset: FilePath | None = None
    """The folder of a data set, whose test split gives the beginnings; null: those that travel in the world's file."""
    prompts: int = 12
    """How many beginnings of the data set."""
    latent: bool = False
    """Steer a world of latent actions by its codes, also where buttons stand for them."""
    game: str | None = None
    """The real game beside the dream, as kind:name (procgen:coinrun, retro:Airstriker-Genesis); null: what the world
    was made from, where that is said and here; none: no game."""
    calibration: FilePath | None = None
    """The results.json of an evaluation of this world, by which the page tells where it is likely wrong; null: what
    lies beside the world's file."""
    agent: FilePath | None = None
    """The checkpoint of a trained player, to be watched on the page."""
    record: FilePath | None = None
    """The folder of data sets into which the page records; null: datasets, and nothing where host is not this machine
    alone."""
    host: str = "127.0.0.1"
    """The address to listen on: this machine alone, unless you say another (0.0.0.0: every address it has), for which
    visitors need a token."""
    token: str | None = None
    """What visitors from elsewhere must know; null: one is made up and is in the address that is printed."""
    port: int = 8765
    """0 takes a free one."""
    players: int = 4
    """Dreams at a time; who comes then is told to wait."""
    browser: bool = True
    """Open the page in the browser."""
    fps: float = 15.0
    """Frames a second at first; the page changes it."""
    steps: int | None = None
    """Refinement steps a frame; null: as the world says (models/sampling.py, like the next two)."""
    temperature: float | None = None
    """Of the noise on the logits; null: as the world says."""
    choice: str | None = None
    """mode takes the likeliest token, mean the one nearest to the expected vector, sample one at random; null: as the
    world says."""


def play(words: list[str]) -> None:
    """Walk in a world in the browser."""
    if words[:1] == ["list"] and not wants_help(words):
        return list_worlds(words[1:])
    if wants_help(words):
        about = "Walk in a world in the browser: for example genieredux play coinrun port=8765 browser=false"
        return say(manual("play [WORLD] [key=value ...]", about, "genieredux.cli.play:PlayCommand"))
    if words and "=" not in words[0]:
        words = [f"world={words[0]}", *words[1:]]
    command = compose_config("play", PlayCommand, words)
    above("fps", command.fps, 0)
    at_least("players", command.players, 1)
    within("port", command.port, 0, 65535)
    from genieredux.models.world.file import find_world, shipped_worlds
    from genieredux.play import Policies, Scenes, Settings, Wanted, scene_of, serve
    from genieredux.play.doors import Doors

    is_local = Doors(command.host, "any").is_local
    token = command.token or (None if is_local else secrets.token_urlsafe(12))
    folder = Path(command.record) if command.record else Path("datasets") if is_local else None
    settings = Settings(
        fps=command.fps, most_fps=max(60.0, command.fps), players=command.players, folder=folder, token=token
    )
    sampling = {"steps": command.steps, "temperature": command.temperature, "choice": command.choice}
    named = ("dataset", "prompts", "latent", "game", "calibration")
    wanted = Wanted(**{name: getattr(command, name) for name in named}, **sampling)  # type: ignore[arg-type]
    path = find_world(command.world)
    loaders = {path.stem: partial(scene_of, path, wanted)}
    for other in shipped_worlds():
        loaders.setdefault(other.name, partial(scene_of, other.path, Wanted(**sampling)))  # type: ignore[arg-type]
    policies = Policies(command.agent)
    serve(Scenes(loaders), settings, policies, command.host, command.port, command.browser, announce=say)
