"""Collection with a policy that acts for many environments at once: a model on a device, shared by all."""

from contextlib import closing

from genieredux.collect.player import GameDied, Player, playing
from genieredux.collect.progress import Tally
from genieredux.collect.schedule import Work
from genieredux.collect.shelf import Shelf
from genieredux.envs import GameVectorEnv, make, suggested_num_envs
from genieredux.policies import Policy

__all__ = ["GameDied", "LockStep"]


class LockStep:
    """Plays group after group with environments that it keeps as long as they serve. lost: episodes played again."""

    def __init__(self, shelf: Shelf, tally: Tally) -> None:
        self._shelf, self._tally = shelf, tally
        self._env: GameVectorEnv | None = None
        self._env_game = ""
        self.lost = 0

    def close(self) -> None:
        """Close the environments that are open."""
        if self._env is not None:
            self._env.close()
            self._env = None

    def run(self, work: Work, policy: Policy) -> None:
        """Play and store what is missing of one group. Raises `GameDied` where its game is better given up."""
        if work.ledger.is_complete():
            return
        player = Player(self._environment(work), policy)
        try:
            self._play(player, work)
        finally:
            self.lost += player.deaths

    def _play(self, player: Player, work: Work) -> None:
        with closing(player.play(work.ledger.to_play())) as episodes:
            for one in episodes:
                episode = one.track.episode(one.terminated, one.truncated, **work.group.labels(one.planned))
                ready = work.ledger.arrived(one.planned, len(episode), episode)
                for stored in ready:
                    self._shelf.put(stored)
                self._tally.count(len(episode), len(ready))
                if work.ledger.is_complete():
                    break

    def _environment(self, work: Work) -> GameVectorEnv:
        """Environments of a game, enough for what is missing: those of the group before, where they serve."""
        game, missing = work.group.game, None if work.group.num_frames else work.ledger.missing()
        count = _balanced(suggested_num_envs(work.env), missing)
        if self._env is None or self._env_game != game or self._env.num_envs < count:
            self.close()
            with playing():
                self._env, self._env_game = make(work.env, count, work.group.seed), game
        return self._env


def _balanced(most: int, missing: int | None) -> int:
    """How many environments to use so that they all finish at about the same time."""
    if missing is None or missing <= 0:
        return most
    rounds = -(-missing // most)
    return -(-missing // rounds)
