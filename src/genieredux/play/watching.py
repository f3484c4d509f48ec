"""A policy plays while the person watches. Knows policies by their protocol."""

from dataclasses import dataclass

import numpy as np

from genieredux.errors import UserError
from genieredux.models.world.protocol import World
from genieredux.policies import NO_ACTION, VARIANTS, PolicySpec, Seen


@dataclass(frozen=True)
class Policies:
    """Who may play. agent: the file of a trained one, for those that take one."""

    agent: str | None = None

    def check(self, world: World) -> None:
        """Raises UserError where the agent's file is given and is nobody's."""
        said: list[UserError] = []
        for name in VARIANTS if self.agent is not None else ():
            try:
                _spec(name, self.agent, world).build()
            except UserError as error:
                said.append(error)
            else:
                return
        if said:
            whys = [str(error) for error in said if "leave it out" not in str(error)]
            raise UserError(f"agent={self.agent}: {(whys or ['no policy here takes a trained agent'])[-1]}")

    def names(self, world: World) -> list[str]:
        """Those that can be made here."""
        return [name for name in VARIANTS if self._can(name, world)]

    def player(self, name: str, world: World, seed: int) -> "Watched":
        """The policy of a name. Raises UserError where it cannot be made."""
        for checkpoint in dict.fromkeys((self.agent, None)):
            try:
                return Watched(_spec(name, checkpoint, world), seed)
            except UserError as error:
                said = error
        raise said

    def _can(self, name: str, world: World) -> bool:
        try:
            self.player(name, world, 0)
        except UserError:
            return False
        return True


def _spec(name: str, checkpoint: str | None, world: World) -> PolicySpec:
    names = tuple(world.action_names)
    return PolicySpec(name, len(names), checkpoint, action_names=names, image_size=world.image_size)


class Watched:
    """One policy and what it has seen since it took over."""

    def __init__(self, spec: PolicySpec, seed: int) -> None:
        self._policy = spec.build()
        self.name, self._seed, self._begun = spec.name, seed, True

    def act(self, frame: np.ndarray, reward: float, last: int | None) -> int:
        """What it does at a frame uint8 (S, S, 3); reward and last: what brought that frame, and the action before."""
        seen = Seen.first(frame[None], np.array([self._seed], np.int64))
        if not self._begun:
            seen.rewards[:] = reward
            seen.actions[:] = NO_ACTION if last is None else last
            seen.begun[:] = False
        self._begun = False
        return int(self._policy.act(seen)[0])

    def begin(self) -> None:
        """What comes next has nothing to do with what was before."""
        self._begun = True
