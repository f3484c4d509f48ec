"""Who is here: a seat for each visitor, a limit on seats, and time to come back. Knows no network."""

import asyncio
import logging
import time

from genieredux.play.scenes import Scenes
from genieredux.play.settings import Settings
from genieredux.play.visit import Visit
from genieredux.play.watching import Policies

log = logging.getLogger(__name__)


class Hall:
    """The visits of one program."""

    def __init__(self, scenes: Scenes, settings: Settings, policies: Policies) -> None:
        self._scenes, self._settings, self._policies = scenes, settings, policies
        self._visits: dict[str, Visit] = {}

    def __len__(self) -> int:
        """Seats that are taken, by whoever is here or may come back."""
        return len(self._visits)

    @property
    def present(self) -> int:
        """Visitors who are here."""
        return sum(visit.left_at is None for visit in self._visits.values())

    def find(self, session: str) -> Visit | None:
        """The visit of a session, whether its page is here or not."""
        return self._visits.get(session)

    async def enter(self, session: str) -> Visit | None:
        """The visit that somebody left and comes back to, else a new one; None where all seats are taken."""
        visit = self._visits.get(session)
        if visit is None or visit.left_at is None:
            if len(self._visits) >= self._settings.players:
                await self._make_room()
            if len(self._visits) >= self._settings.players:
                return None
            visit = Visit(self._scenes, self._settings, self._policies)
            self._visits[visit.id] = visit
        visit.left_at = None
        return visit

    async def leave(self, visit: Visit, for_good: bool = False) -> None:
        """The page is gone. Its seat waits for it, unless it leaves for good."""
        visit.left_at = time.monotonic()
        if for_good:
            await self._end(visit)

    async def sweep(self, every: float = 1.0) -> None:
        """End the visits of those who did not come back, for ever."""
        while True:
            await asyncio.sleep(every)
            latest = time.monotonic() - self._settings.return_seconds
            for visit in [one for one in self._visits.values() if one.left_at is not None and one.left_at < latest]:
                await self._end(visit)

    async def close(self) -> None:
        """End all visits."""
        for visit in list(self._visits.values()):
            await self._end(visit)

    async def _make_room(self) -> None:
        left = [visit for visit in self._visits.values() if visit.left_at is not None]
        if left:
            await self._end(min(left, key=lambda visit: visit.left_at or 0.0))

    async def _end(self, visit: Visit) -> None:
        self._visits.pop(visit.id, None)
        try:
            await visit.close()
        except Exception:
            log.exception("a visit could not be ended properly")
