"""The policy `agent57` of collection: an agent of this project, or a published one, plays one game by itself.

What an episode is depends on its seed, the game and the file alone: nothing that an agent counts while it plays (mean
distances, deviations of pixels) passes from one episode to the next.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from genieredux.agent57.frames import grey
from genieredux.checking import at_least, require, within
from genieredux.compat.agent57 import EPSILON, PublishedAgent, open_agent
from genieredux.compat.published_file import is_foreign
from genieredux.errors import UserError
from genieredux.models.agent57.acting import Acting, acting
from genieredux.models.agent57.agent import Agent
from genieredux.models.agent57.file import AgentFile, find_agent, load_agent
from genieredux.policies import Actions, Seen, stream_generator

_PURPOSE = 57
_OPTIONS = "connector.agent.options"


class Player:
    """A file that plays."""

    def __init__(self, agent: Agent, file: AgentFile | None) -> None:
        """file: where it comes from; None for a published one."""
        self.agent, self._file = agent, file

    @property
    def published(self) -> bool:
        """Whether it is played as the published collector plays."""
        return isinstance(self.agent, PublishedAgent)

    def member(self, wanted: int | None) -> int:
        """The member of the family that plays: the wanted one, else that which returned most lately, or 0 of a
        published file. Raises UserError where there is none of that number."""
        if wanted is None:
            return self._file.best_member if self._file else 0
        last = self.agent.config.policies - 1
        require(wanted <= last, "the agent's member", wanted, f"from 0 to {last}, as its file has them")
        return wanted

    def acting(self, streams: int) -> Acting:
        """It, in N streams."""
        if isinstance(self.agent, PublishedAgent):
            return self.agent.acting(streams)
        return acting(self.agent, streams, self._file.distance if self._file else 0.0)


def open_player(path: str, action_names: Sequence[str], game: str = "") -> Player:
    """The agent of a file, or of one that ships (`find_agent`), for a game with these actions.

    Raises UserError where there is none, or it does not fit.
    """
    found = find_agent(path)
    if is_foreign(found):
        return Player(open_agent(found, len(action_names), game or None), None)
    file = load_agent(found)
    if file.action_names and tuple(action_names) != file.action_names:
        raise UserError(
            f"{found} was trained with the actions {', '.join(file.action_names)}, and the game has "
            f"{', '.join(action_names)}; set action_names to those it was trained with"
        )
    return Player(file.agent, file)


class Agent57Policy:
    """See `Policy`. Each stream is played by the same member, with a chance `epsilon` of a random action of its own."""

    name = "agent57"
    plays_alone = True

    def __init__(self, player: Player, member: int, epsilon: float) -> None:
        self._player, self._member, self._epsilon = player, member, epsilon
        self._acting: Acting | None = None
        self._generators: list[np.random.Generator] = []
        self._chosen: NDArray[np.int64] = np.zeros(0, np.int64)

    def act(self, seen: Seen) -> Actions:
        """See `Policy.act`. It looks at the game's own pictures where they are known, else at the frames."""
        n = len(seen.frames)
        if self._acting is None or self._acting.count != n:
            self._acting = self._player.acting(n)
            self._generators, self._chosen = [stream_generator(0)] * n, np.zeros(n, np.int64)
        for i in np.flatnonzero(seen.begun):
            self._acting.begin(int(i), self._member)
            self._generators[i] = stream_generator(int(seen.seeds[i]), _PURPOSE)
        agent = self._player.agent
        pictures = seen.frames if seen.native is None else seen.native
        frames = np.stack([grey(picture, agent.config.image_size) for picture in pictures])
        # A published player remembers what it chose, also where another action was taken in its place.
        before = self._chosen if self._player.published else seen.actions
        greedy = self._acting.step(frames, before, seen.rewards, seen.begun).values.argmax(-1)
        draws = np.stack([generator.random(2) for generator in self._generators])
        random = np.minimum((draws[:, 1] * agent.num_actions).astype(np.int64), agent.num_actions - 1)
        self._chosen = np.where(draws[:, 0] < self._epsilon, random, greedy)
        return self._chosen.copy()


def agent57(
    num_actions: int,
    action_names: tuple[str, ...],
    game_name: str,
    checkpoint: str,
    member: int | None = None,
    epsilon: float | None = None,
) -> Agent57Policy:
    """The policy of a file, or of an agent that ships with the package, by its name.

    member: which of the family plays (default: that which returned most lately in training; 0 of a published file).
    epsilon: how often it takes a random action by itself (default: 0; 0.01 of a published file, as its collector did).
    Raises UserError.
    """
    at_least(f"{_OPTIONS}.member", member, 0)
    within(f"{_OPTIONS}.epsilon", epsilon, 0.0, 1.0)
    torch.set_num_threads(1)
    player = open_player(checkpoint, action_names or ("?",) * num_actions, game_name)
    own = EPSILON if player.published else 0.0
    return Agent57Policy(player, player.member(member), own if epsilon is None else epsilon)
