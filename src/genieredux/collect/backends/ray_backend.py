"""Workers that play as actors of a Ray cluster. A node that lacks a game's ROM is sent it with the task."""

from genieredux.collect.backends.local import START_SECONDS, STEP_SECONDS, TRADE
from genieredux.collect.roms import Rom, pack
from genieredux.collect.tasks import Task
from genieredux.runs.backends import Trade
from genieredux.runs.backends.ray_actors import RayActors


class RayBackend(RayActors):
    """See `RayActors`."""

    def __init__(
        self,
        workers: int,
        step_seconds: float = STEP_SECONDS,
        start_seconds: float = START_SECONDS,
        trade: Trade = TRADE,
    ) -> None:
        self._roms: dict[str, Rom | None] = {}
        super().__init__(workers, trade, step_seconds, start_seconds)

    def baggage(self, task: Task) -> Rom | None:
        """The ROM of a task's game, for nodes that may not have it: put into the object store once a game."""
        if all(slot.place.node == self.here for slot in self.slots if slot.place):
            return None
        game = task.env.game
        if game not in self._roms:
            wanted = {open_task.env.game for slot in self.slots for _, open_task in slot.streams}
            self._roms = {name: rom for name, rom in self._roms.items() if name in wanted}
            self._roms[game] = pack(task.env, self.put)
        return self._roms[game]
