"""One browser, one dream: what arrives from the page sets what is held, and a loop dreams while something is.

The loop is closed: a frame is dreamed only when the page has shown all but one of those before, so a slow
page slows the dream and nothing piles up. The dream runs in a thread of its own; when the browser goes, so
does it.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

from genieredux.dreams.session import DreamSession, Picture
from genieredux.play.bindings import Bindings

_IN_FLIGHT = 2  # frames sent that the page has not confirmed


@dataclass
class _Wish:
    """What the person wants now."""

    held: list[str] = field(default_factory=list)
    tapped: int | None = None  # pressed and perhaps released again since the last step: it counts once
    last: int | None = None  # the last action taken, for `keep`
    keep: bool = False
    paused: bool = False
    restart: int | None = 0  # prompt to begin at


class Connection:
    """Serves one websocket until it closes. See `play.js` for the other side of these messages."""

    def __init__(self, socket: WebSocket, session: DreamSession, bindings: Bindings, max_fps: float) -> None:
        self._socket, self._session, self._bindings = socket, session, bindings
        self._interval = 1 / max_fps
        self._wish = _Wish()
        self._changed = asyncio.Event()
        self._sent = self._seen = 0

    async def run(self) -> None:
        """Dream and listen until the browser leaves."""
        thread = ThreadPoolExecutor(1, "dream")
        tasks = {asyncio.create_task(self._dream(thread)), asyncio.create_task(self._listen())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            thread.shutdown(wait=False, cancel_futures=True)  # a step under way ends by itself

    async def _listen(self) -> None:
        while True:
            try:
                message = await self._socket.receive_json()
            except (WebSocketDisconnect, ValueError, KeyError, RecursionError):  # gone, or no JSON that a page sends
                return
            if isinstance(message, dict):
                self._take(message)
                self._changed.set()

    def _take(self, message: dict[str, Any]) -> None:
        """One message of the page; what is not understood changes nothing."""
        wish, value = self._wish, message.get("value")
        match message.get("type"):
            case "keys" if isinstance(value, list):
                before = set(wish.held)
                wish.held = [piece for piece in value if isinstance(piece, str)][:16]
                if set(wish.held) - before:
                    wish.tapped = self._bindings.resolve(wish.held)
            case "keep":
                wish.keep = value is True
            case "pause":
                wish.paused = value is True
            case "restart":
                wish.restart = self._session.prompt
            case "next":
                wish.restart = self._session.prompt + 1
            case "seen" if isinstance(value, int):
                self._seen = min(max(self._seen, value), self._sent)

    def _next_action(self) -> int | None:
        """What to do now, or None to wait."""
        wish = self._wish
        tapped, wish.tapped = wish.tapped, None
        if wish.paused:
            return None
        held = self._bindings.resolve(wish.held)
        if wish.held and held is not None:
            return held
        if tapped is not None:
            return tapped
        return wish.last if wish.keep and wish.last is not None else held

    async def _dream(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = time.perf_counter()
            if self._sent - self._seen >= _IN_FLIGHT:
                await self._wait()
            elif self._wish.restart is not None:
                prompt, self._wish.restart = self._wish.restart, None
                self._wish.tapped = self._wish.last = None
                await self._show(await loop.run_in_executor(thread, self._session.start, prompt))
            elif (action := self._next_action()) is not None:
                self._wish.last = action
                await self._show(await loop.run_in_executor(thread, self._session.step, action))
                await asyncio.sleep(max(0.0, self._interval - (time.perf_counter() - began)))
            else:
                await self._wait()

    async def _show(self, picture: Picture) -> None:
        self._sent += 1
        try:
            await self._socket.send_bytes(picture.pack())
        except (WebSocketDisconnect, RuntimeError):  # closed while the frame was dreamed; `_listen` ends us
            await asyncio.sleep(1)

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()
