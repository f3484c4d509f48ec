"""Published Agent57 players (`Agent57_<Game>.ckpt`), read from their state dicts and played as their collector did.

The file is {iteration, environment_name, agent_name, network, rnd_target_network, rnd_predictor_network,
embedding_network}; the last four are state dicts. Their curiosity differs from the paper's in ways that the networks
learned with (docs/agent57.md lists them), so it is theirs here too. Tensors alone are read, nothing pickled is run.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genieredux.compat.published_file import read_published
from genieredux.errors import UserError
from genieredux.models.agent57.acting import Acting
from genieredux.models.agent57.agent import Agent
from genieredux.models.agent57.curiosity import Memory
from genieredux.models.agent57.networks import Distilled
from genieredux.models.agent57.settings import AgentConfig

PARTS = ("network", "embedding_network", "rnd_target_network", "rnd_predictor_network")
SIZE, FEATURES = 84, 3136
MEMORY, EPSILON = 5_000, 0.01
"""Of the published collector: remembered frames, and how often its player takes a random action by itself."""
_BATCH, _TINY = 10, 1e-8  # its running moments take in ten values at a time
_PLAIN_OUTPUTS = 128  # the oldest form of its distillation networks, with plain ReLU

_VALUES = (
    (r"(ext_q|int_q)\.body\.net\.(\d)\.", r"\1.torso.\2."),
    (r"(ext_q|int_q)\.((?:lstm|advantage_head|value_head)\.)", r"\1.\2"),
)
_EMBEDDING = ((r"net\.net\.(\d)\.", r"torso.\1."), (r"(?:net\.)?fc\.", "fc."), (r"inverse_head\.", "inverse_head."))


class PublishedAgent(Agent):
    """An `Agent` with the networks, and the curiosity, of a published file."""

    def __init__(self, config: AgentConfig, num_actions: int, target: Distilled, predictor: Distilled) -> None:
        super().__init__(config, num_actions)
        self.target, self.predictor = target, predictor

    def acting(self, streams: int) -> Acting:
        """It plays N streams, policy 0 in each, as the published collector does: told of the bonus one step late."""
        return Acting(self, streams, PublishedCuriosity(self, streams), late=True)


def load(state: Mapping[str, Any]) -> PublishedAgent:
    """The agent of a published file's content, or of its four state dicts. Any number of actions and policies.

    Raises UserError that names what is missing or does not fit.
    """
    networks = {part: _tensors(state, part) for part in PARTS}
    values, embedding = networks["network"], networks["embedding_network"]
    hidden = _shape(values, "ext_q.value_head.0.weight", 2)[0]
    num_actions = _shape(values, "ext_q.advantage_head.2.weight", 2)[0]
    read = _shape(values, "ext_q.lstm.weight_ih_l0", 2)[1]
    policies = read - FEATURES - num_actions - 2
    if policies < 1:
        raise UserError(
            f"the networks read {read} values; {FEATURES} features of 84x84, {num_actions} actions and two rewards "
            f"leave none for policies: this is no Agent57"
        )
    config = AgentConfig(
        image_size=SIZE,
        transform_rewards=False,
        hidden=hidden,
        policies=policies,
        embedding=_shape(embedding, "fc.weight", 2, "net.fc.weight")[0],
        memory=MEMORY,
    )
    target, predictor = (_distilled(networks[part], part) for part in PARTS[2:])
    with torch.random.fork_rng(devices=[]):
        agent = PublishedAgent(config, num_actions, target, predictor)
    both = nn.ModuleDict(dict(zip(("ext_q", "int_q"), agent.heads, strict=True)))
    _fill(both, _renamed(values, _VALUES, "network"), "network")
    _fill(agent.embedding, _renamed(embedding, _EMBEDDING, "embedding_network"), "embedding_network")
    return agent.eval()


def open_agent(path: str | Path, num_actions: int | None = None, game: str | None = None) -> PublishedAgent:
    """The agent of a published `Agent57_<Game>.ckpt`.

    num_actions, game: what it is to play, checked where they are given. Raises UserError.
    """
    payload = read_published(path)
    named = payload.get("environment_name")
    if game and isinstance(named, str) and _plain(named) != _plain(game):
        raise UserError(f"{path} was trained on {named} and the game is {game}; give the agent of this game")
    try:
        agent = load(payload)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if num_actions is not None and agent.num_actions != num_actions:
        raise UserError(
            f"{path} knows {agent.num_actions} actions and the game has {num_actions}; set connector.action_names to "
            f"those that it was trained with"
        )
    return agent


class _Moments:
    """The published running moments: values are taken in ten observations at a time; they begin as 0 and 1."""

    def __init__(self, shape: tuple[int, ...], unbiased: bool) -> None:
        self.mean, self.var, self.count = torch.zeros(shape), torch.ones(shape), 0
        self._waiting: list[Tensor] = []
        self._unbiased = unbiased

    def add(self, values: Tensor) -> None:
        """One observation, (n, *shape)."""
        self._waiting.append(values)
        if len(self._waiting) < _BATCH:
            return
        batch, self._waiting = torch.cat(self._waiting), []
        n = len(batch)
        self.count += n
        delta = batch.mean(0) - self.mean
        self.mean = self.mean + delta * n / self.count
        total = self.var * (self.count - n) + batch.var(0, unbiased=self._unbiased) * n + delta.square() * n
        self.var = total / self.count


class PublishedCuriosity:
    """The published collector's bonus: a running deviation of pixels and errors, and of distances, in each stream.

    All of it begins anew with every episode, so that what is played depends on the episode's seed alone.
    """

    def __init__(self, agent: PublishedAgent, streams: int) -> None:
        self._agent = agent
        self._streams = [_Episode() for _ in range(streams)]

    def forget(self, stream: int) -> None:
        """See `Curiosity.forget`."""
        self._streams[stream] = _Episode()

    @torch.no_grad()
    def bonus(self, frames: NDArray[np.uint8], streams: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Curiosity.bonus`."""
        parts = [self.parts(frame[None], int(stream)) for frame, stream in zip(frames, streams, strict=True)]
        limit = self._agent.config.lifelong_limit
        return np.array([episodic * min(max(lifelong, 1.0), limit) for lifelong, episodic in parts], np.float32)

    @torch.no_grad()
    def parts(self, frame: NDArray[np.uint8], stream: int) -> tuple[float, float]:
        """Life-long and episodic bonus of one frame (1, 1, 84, 84)."""
        picture, episode = torch.from_numpy(frame), self._streams[stream]
        return self._lifelong(picture.float(), episode), self._episodic(picture, episode)

    def _lifelong(self, picture: Tensor, episode: "_Episode") -> float:
        pixels, errors = episode.pixels, episode.errors
        normed = ((picture - pixels.mean) / (pixels.var + _TINY).sqrt()).clamp(-5, 5)
        pixels.add(picture)
        error = (self._agent.predictor(normed) - self._agent.target(normed)).square().mean(-1)
        errors.add(error)
        return float(error / (errors.var + _TINY).sqrt())

    def _episodic(self, picture: Tensor, episode: "_Episode") -> float:
        config = self._agent.config
        embedding = self._agent.embedding(picture)[0].numpy()
        squared = episode.memory.nearest(embedding, config.neighbours)
        episode.memory.add(embedding)
        if len(squared) < config.neighbours:
            return 0.0
        distances = torch.from_numpy(squared).float()
        episode.distances.add(distances)
        rates = (distances / (episode.distances.mean + _TINY) - config.cluster_distance).clamp_min(0)
        kernels = config.kernel_epsilon / (rates + config.kernel_epsilon)
        similarity = float(kernels.sum().sqrt()) + config.similarity_constant
        return 0.0 if similarity > config.max_similarity else 1 / similarity


class _Episode:
    """What the published curiosity remembers of one episode."""

    def __init__(self) -> None:
        self.pixels = _Moments((1, SIZE, SIZE), unbiased=True)
        self.errors = _Moments((), unbiased=False)
        self.distances = _Moments((), unbiased=True)
        self.memory = Memory(MEMORY)


def _distilled(state: Mapping[str, Tensor], part: str) -> Distilled:
    """One network of random distillation, of whichever published form the shapes are."""
    layers = sorted({name.rpartition(".")[0] for name in state if name.startswith("head")})
    widths = tuple(_shape(state, f"{layer}.weight", 2, part=part)[0] for layer in layers)
    if not widths:
        raise UserError(f"{part} has no head.weight and no head.0.weight; give a published Agent57's")
    net = Distilled("nature", SIZE, widths, leaky=widths[-1] != _PLAIN_OUTPUTS)
    renames = ((r"body\.(\d)\.", r"torso.\1."), (r"head\.(\d)\.", r"head.\1."), (r"head\.(?!\d)", "head.0."))
    _fill(net, _renamed(state, renames, part), part)
    return net.requires_grad_(False)


def _tensors(state: Mapping[str, Any], part: str) -> dict[str, Tensor]:
    values = state.get(part)
    if not isinstance(values, Mapping):
        raise UserError(f"there is no state dict '{part}'; an Agent57 file has {', '.join(PARTS)}")
    for name, value in values.items():
        if not isinstance(value, Tensor):
            raise UserError(f"{part}.{name} is no tensor but {type(value).__name__}")
    return dict(values)


def _shape(state: Mapping[str, Tensor], name: str, axes: int, other: str = "", part: str = "") -> tuple[int, ...]:
    tensor = state.get(name, state.get(other) if other else None)
    if tensor is None or tensor.dim() != axes:
        said = "missing" if tensor is None else f"of the shape {tuple(tensor.shape)}"
        raise UserError(f"{f'{part}.' if part else ''}{name} is {said}; this is no published Agent57")
    return tuple(tensor.shape)


def _renamed(state: Mapping[str, Tensor], renames: Any, part: str) -> dict[str, Tensor]:
    """Published names as this project's. Raises UserError for one that belongs to nothing."""
    named: dict[str, Tensor] = {}
    for name, tensor in state.items():
        fits = [re.sub(f"^{pattern}", new, name) for pattern, new in renames if re.match(pattern, name)]
        if not fits:
            raise UserError(f"{part}.{name} belongs to no network of an Agent57")
        named[fits[0]] = tensor
    return named


def _fill(module: nn.Module, state: Mapping[str, Tensor], part: str) -> None:
    """Put the tensors in. Raises UserError where one is missing, too many, or of another shape."""
    wanted = module.state_dict()
    for name in sorted(wanted.keys() ^ state.keys()):
        raise UserError(f"{part}: {name} is {'missing' if name in wanted else 'one too many'}")
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape:
            raise UserError(f"{part}: {name} is {tuple(tensor.shape)} and must be {tuple(wanted[name].shape)}")
    module.load_state_dict(state)


def _plain(game: str) -> str:
    return re.sub(r"-v\d+$", "", game).lower()
