"""From a configuration to what an exploration needs: the world, the game under its actions and size, the reward, the
device. Everything that can be wrong with them is said here, before anything is made.
"""

from dataclasses import dataclass, replace

import torch

from genieredux.envs import EnvConfig, describe
from genieredux.errors import UserError
from genieredux.explore.config import ExploreConfig
from genieredux.explore.rewards import Reward, Watcher, make_reward
from genieredux.models.world.file import find_world, load_world
from genieredux.models.world.model import WorldModel
from genieredux.models.world.protocol import World
from genieredux.nn.memory import free_memory, gib

LEVELS_OF_TEST = 100_000
_TIMES = 3
"""So often the frames of an epoch lie in memory: as they were played, as what is learned from, and a batch of them."""
_SAFE = 0.8
"""Share of the free memory that they may take."""


@dataclass(frozen=True)
class Setting:
    """What is played with what. action_names: of the game, as the world has them."""

    world: World
    previous: World | None
    env: EnvConfig
    test: EnvConfig
    action_names: tuple[str, ...]
    device: torch.device

    def reward(self, config: ExploreConfig) -> Reward:
        """The reward that the configuration names."""
        watcher = Watcher(
            self.world,
            self.previous,
            ahead=config.collection.train.config.n_preds,
            device=self.device,
            seed=config.common.seed,
        )
        return make_reward(config.reward, watcher)


def setting_of(config: ExploreConfig) -> Setting:
    """Raises UserError where there is no world, no game, or they do not go together."""
    device = device_of(config.common.device)
    world = open_world(config.world_model.path, device)
    previous = open_world(config.reward.previous_fpath, device) if config.reward.previous_fpath else None
    env = env_of(config, world)
    check_room(config, env)
    facts = describe(env)
    test = config.collection.test
    own = config.collection.start_level + config.collection.num_levels if config.collection.num_levels else 0
    first = test.start_level if test.start_level is not None else (own or LEVELS_OF_TEST)
    looked = replace(env, start_level=first, num_levels=0, max_episode_steps=test.num_steps)
    return Setting(world, previous, env, looked, facts.action_names, device)


def check_room(config: ExploreConfig, env: EnvConfig) -> None:
    """Raises UserError, with the number that fits, where memory has no room for the frames of an epoch."""
    play = config.collection.train.config
    a_step = _TIMES * play.num_envs * env.image_size**2 * 3
    needed, there = play.num_steps * a_step, free_memory()
    if needed > _SAFE * there:
        key, fits = "collection.train.config.num_steps", int(_SAFE * there // a_step)
        fix = f"set {key}={fits} or less" if fits else "set a smaller collection.train.config.num_envs"
        raise UserError(
            f"{play.num_steps} steps of {play.num_envs} environments need {gib(needed)} of memory, {gib(there)} are "
            f"free; {fix}"
        )


def open_world(path: str, device: torch.device) -> WorldModel:
    """A world in a file, or one that ships by its name. Raises UserError where it is steered by codes nobody named."""
    found = find_world(path)
    if not found.exists():
        raise UserError(
            f"there is no world {found}; give world_model.model_fpath=FILE, or =coinrun for the one that ships"
        )
    world, _ = load_world(found, str(device))
    if world.takes != "buttons":
        raise UserError(f"{found} is steered by codes; exploring needs a world of the game's own actions")
    return world


def env_of(config: ExploreConfig, world: World) -> EnvConfig:
    """The game under the world's actions and size. Raises UserError where the configuration asks for others."""
    play, game = config.collection, config.collection.game
    names = tuple(world.action_names)
    if play.action_names is not None and tuple(play.action_names) != names:
        raise UserError(
            f"collection.action_names is {list(play.action_names)}, but the world ({config.world_model.path}) knows "
            f"{list(names)}; leave it out, or give a world of those actions"
        )
    if play.image_size not in (None, world.image_size):
        raise UserError(
            f"collection.image_size is {play.image_size}, but the world ({config.world_model.path}) has frames of "
            f"{world.image_size}; leave it out, or give a world of that size"
        )
    return EnvConfig(
        kind=play.kind,
        game=game,
        image_size=world.image_size,
        action_names=names,
        frame_skip=play.n_skip_frames,
        max_episode_steps=play.max_episode_steps,
        num_levels=play.num_levels,
        start_level=play.start_level,
        distribution_mode=play.distribution_mode,
        num_workers=play.n_workers,
        options=play.options,
    )


def device_of(name: str) -> torch.device:
    """cpu, or the GPU. Raises UserError where one is asked for and there is none."""
    there = torch.cuda.is_available()
    if name in ("gpu", "cuda") and not there:
        raise UserError(f"common.device is '{name}', and this machine has no GPU that torch can use; set it to cpu")
    return torch.device("cuda" if there and name != "cpu" else "cpu")
