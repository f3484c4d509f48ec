"""One person's visit: what arrives from the page sets what is wanted, and a loop dreams while something is.

The loop is closed: a frame is dreamed only when the page has shown all but one of those before, so a slow page slows
its own dream and nothing piles up. A visit outlives its socket for a while, so that a page that lost the connection
finds its dream again. See `static/socket.js` for the other side of these messages.
"""

import asyncio
import contextlib
import functools
import json
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from fastapi import WebSocket, WebSocketDisconnect

from genieredux.checking import require
from genieredux.errors import UserError
from genieredux.play import wire
from genieredux.play.orders import Order, read_order
from genieredux.play.replay import Replay
from genieredux.play.scenes import Scenes
from genieredux.play.seat import PERSON, Begin, Seat, Shown
from genieredux.play.settings import Settings
from genieredux.play.watching import Policies

T = TypeVar("T")
GONE = (WebSocketDisconnect, RuntimeError)
"""What a socket raises that the other side has left, at any moment and in any of its methods."""

_IN_FLIGHT = 2  # pictures sent that the page has not confirmed
_ORDERS = 16  # that may wait
_ANEW = ("begin", "back", "world", "replay")  # orders after which a key pressed before means nothing

log = logging.getLogger(__name__)


@dataclass
class Wish:
    """What the person wants now."""

    held: list[str] = field(default_factory=list)
    tapped: int | None = None
    """Pressed and perhaps released again since the last step: it counts once."""
    last: int | None = None
    """The last action taken, for `keep`."""
    took: int = 0
    """The number of the keys message that is heeded."""
    keep: bool = False
    paused: bool = False
    steps: int = 0
    """So many single steps, while paused."""
    fps: float = 15.0
    script: deque[int] = field(default_factory=deque)
    """Actions of a replay that are still to be taken."""


async def dismiss(socket: WebSocket, code: int, reason: str) -> None:
    """Close a socket, which the other side may have left already."""
    with contextlib.suppress(*GONE):
        await socket.close(code, reason)


class Visit:
    """A person's seat and wishes, from the first socket to the last."""

    def __init__(self, scenes: Scenes, settings: Settings, policies: Policies) -> None:
        """Raises UserError where the first scene cannot be loaded."""
        self.id = secrets.token_urlsafe(16)
        self.left_at: float | None = None
        """When the socket closed (monotonic seconds), or None while there is one."""
        self._scenes, self._settings, self._policies = scenes, settings, policies
        self._thread = ThreadPoolExecutor(1, "dream")
        self._wish = Wish(fps=settings.fps)
        self._orders: deque[Order] = deque()
        self._changed = asyncio.Event()
        self._socket: WebSocket | None = None
        self._seat: Seat | None = None
        self._shown: Shown | None = None
        self._checksum: int | None = None
        self._sent = self._seen = 0

    async def serve(self, socket: WebSocket) -> None:
        """Dream and listen until the browser leaves. Raises what a defect raises."""
        self._socket, self._sent, self._seen = socket, 0, 0
        wish = self._wish
        wish.held, wish.tapped, wish.took = [], None, 0  # whatever was down when the connection broke
        tasks = {asyncio.create_task(self._dream()), asyncio.create_task(self._listen(socket))}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """The visit is over: what was recorded is stored, the game ended."""
        seat, self._seat = self._seat, None
        try:
            if seat is not None:
                await self._run(seat.close)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)  # a step under way ends by itself

    async def film(self, kind: str) -> bytes:
        """What was dreamed, as a file. Raises UserError before anything was."""
        require(self._seat is not None, "the dream", "not begun", "begun")
        assert self._seat is not None
        return await self._run(functools.partial(self._seat.film, kind, self._wish.fps))

    async def _run(self, function: Callable[[], T]) -> T:
        """Everything that touches the seat happens in its thread, one after the other."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    # What arrives.

    async def _listen(self, socket: WebSocket) -> None:
        allowance, before = float(self._settings.burst), time.monotonic()
        while True:
            try:
                message = await socket.receive()
            except GONE:
                return
            if message["type"] == "websocket.disconnect":
                return
            now = time.monotonic()
            allowance = min(self._settings.burst, allowance + (now - before) * self._settings.messages_per_second)
            before = now
            if allowance < 1:
                await dismiss(socket, 1008, "too many messages")
                return
            allowance -= 1
            if message.get("bytes") is not None:
                self._order(Order("begin", {"picture": message["bytes"]}))
                continue
            try:
                self.take(json.loads(message.get("text") or ""))
            except (ValueError, RecursionError):
                await dismiss(socket, 1003, "this is no JSON")
                return
            except UserError as error:
                await self._say(str(error), bad=True)

    def take(self, message: Any) -> None:
        """One message of the page. Raises UserError for what is none."""
        if not isinstance(message, dict):
            raise UserError("a message is an object with a type")
        wish, value = self._wish, message.get("value")
        match message.get("type"):
            case "keys" if isinstance(value, list):
                self._keys([piece for piece in value if isinstance(piece, str)][:16], message.get("number"))
            case "seen" if isinstance(value, int):
                self._seen = min(max(self._seen, value), self._sent)
            case "keep":
                wish.keep = value is True
            case "pause":
                wish.paused = value is True
                wish.steps, wish.tapped = 0, None
            case "single":
                wish.steps = min(wish.steps + 1, 8)
            case "fps" if isinstance(value, int | float) and 1 <= value <= self._settings.most_fps:
                wish.fps = float(value)
            case _:
                self._order(read_order(message))
        self._changed.set()

    def _keys(self, held: list[str], number: Any) -> None:
        wish, before = self._wish, set(self._wish.held)
        wish.held = held
        if isinstance(number, int) and not isinstance(number, bool):
            wish.took = min(max(number, 0), 1 << 53)
        if set(held) - before:
            wish.script.clear()  # whoever presses a key takes over
            if self._seat is not None:
                wish.tapped = self._seat.scene.bindings.resolve(held)
                if self._seat.watches is not None:
                    self._order(Order("watch", {"policy": None, "game": False}))

    def _order(self, order: Order) -> None:
        if len(self._orders) >= _ORDERS:
            raise UserError("too much at once; wait for what was asked before")
        self._orders.append(order)
        self._changed.set()

    # What happens.

    async def _dream(self) -> None:
        if self._seat is None:
            await self._enter(self._scenes.names[0])
        else:
            await self._greet(resumed=True)
        while True:
            began = time.perf_counter()
            if self._sent - self._seen >= _IN_FLIGHT:
                await self._wait()
            elif self._orders:
                await self._obey(self._orders.popleft())
            elif (step := self.next_step()) is not None:
                shown = await self._run(step)
                await self._show(shown)
                if self._checksum is not None and not self._wish.script:
                    await self._compare()
                await asyncio.sleep(max(0.0, 1 / self._wish.fps - (time.perf_counter() - began)))
            else:
                await self._wait()

    def next_step(self) -> Callable[[], Shown] | None:
        """What to do now, or None to wait."""
        wish, seat = self._wish, self._seat
        assert seat is not None
        single, tapped, wish.tapped = wish.steps > 0, wish.tapped, None
        if wish.paused and not single:
            return None
        wish.steps = max(0, wish.steps - 1)
        if wish.script:
            return functools.partial(seat.step, wish.script.popleft())
        if seat.watches is not None:
            return seat.watched_step
        held = seat.scene.bindings.resolve(wish.held)
        action = held
        if not wish.held or held is None:
            if tapped is not None:
                action = tapped
            elif (wish.keep or single) and wish.last is not None:
                action = wish.last
        if action is None:
            return None
        wish.last = action
        return functools.partial(seat.step, action)

    async def _obey(self, order: Order) -> None:
        seat, wish = self._seat, self._wish
        assert seat is not None
        value = order.value
        try:
            match order.name:
                case "begin":
                    self._forget()
                    picture = value.pop("picture", None)
                    drawn = value.pop("drawn", None)
                    seed = value.pop("seed", None)
                    begin = Begin(picture=picture) if picture is not None else Begin(**value) if value else None
                    await self._show(await self._run(functools.partial(seat.begin, begin, seed, drawn)))
                case "back":
                    self._forget()
                    await self._show(await self._run(functools.partial(seat.back_to, value["number"])))
                case "world":
                    await self._enter(value["name"])
                case "watch":
                    watch = functools.partial(seat.watch, self._policies, value["policy"], value["game"])
                    await self._run(watch)
                    await self._send({"type": "watch", "value": seat.watches})
                case "record":
                    await self._run(functools.partial(seat.record, value["on"]))
                    await self._tell_recorded(seat)
                case "share":
                    replay = await self._run(seat.replay)
                    await self._send(
                        {"type": "replay", "value": {k: v for k, v in asdict(replay).items() if v is not None}}
                    )
                case "replay":
                    await self._replay(value["replay"])
        except UserError as error:
            await self._say(str(error), bad=True)
        if order.name in _ANEW:
            wish.tapped = None

    async def _replay(self, replay: Replay) -> None:
        """Play again what somebody played. Raises UserError where this is not possible here."""
        self._forget()
        if self._seat is None or self._seat.scene.name != replay.world:
            await self._enter(replay.world, begin=False)
        assert self._seat is not None
        await self._run(functools.partial(self._seat.watch, self._policies, None))
        shown, actions = await self._run(functools.partial(self._seat.begin_replay, replay))
        self._wish.script.extend(actions)
        self._checksum = replay.checksum
        self._wish.paused = False
        await self._show(shown)
        await self._send({"type": "replaying", "value": len(actions)})

    async def _compare(self) -> None:
        """Whether what was played again is what it was."""
        assert self._shown is not None
        same = self._checksum == self._shown.picture.checksum
        self._checksum = None
        await self._send({"type": "replayed", "value": same})

    def _forget(self) -> None:
        """What comes next has nothing to do with what was before."""
        self._wish.script.clear()
        self._wish.tapped = self._wish.last = self._checksum = None

    async def _enter(self, name: str, begin: bool = True) -> None:
        """Take a seat in another scene. Raises UserError where there is none of the name."""
        scene = await self._run(functools.partial(self._scenes.get, name))
        seat = Seat(scene, self._settings.folder, self._settings.budget)
        if self._seat is not None:
            await self._run(self._seat.close)
        self._seat = seat
        self._forget()
        await self._greet(resumed=False)
        if begin:
            await self._show(await self._run(seat.begin))

    async def _greet(self, resumed: bool) -> None:
        """Tell the page where it is."""
        seat = self._seat
        assert seat is not None
        scene, bindings, sampling = seat.scene, seat.scene.bindings, seat.scene.world.sampling
        policies = await self._run(functools.partial(self._policies.names, scene.world))
        await self._send(
            {
                "type": "hello",
                "session": self.id,
                "resumed": resumed,
                "name": scene.name,
                "worlds": self._scenes.names,
                "actions": list(scene.world.action_names),
                "chords": bindings.chords,
                "keys": bindings.keys,
                "idle": bindings.idle,
                "notes": list(scene.notes),
                "size": scene.world.image_size,
                "prompts": len(scene.prompts),
                "game": None if scene.game is None else scene.game.game,
                "policies": policies,
                "watches": seat.watches,
                "sampling": None if sampling is None else asdict(sampling),
                "doubt": None if scene.doubt is None else {"correlation": round(scene.doubt.correlation, 2)},
                "records": self._settings.folder is not None,
                "fps": self._wish.fps,
                "most_fps": self._settings.most_fps,
                "paused": self._wish.paused,
                "keep": self._wish.keep,
            }
        )
        await self._send_bytes(wire.beginnings(scene))
        if resumed and self._shown is not None:
            await self._show(self._shown)

    # What is sent.

    async def _show(self, shown: Shown) -> None:
        assert self._seat is not None
        self._shown = shown
        self._sent += 1
        by = self._seat.watches or ("replay" if self._wish.script else PERSON)
        await self._send_bytes(wire.picture(self._seat, shown, self._wish.took, by))

    async def _tell_recorded(self, seat: Seat) -> None:
        recorder = seat.records
        value = None if recorder is None else str(recorder.path)
        await self._send({"type": "recording", "value": value})

    async def _say(self, text: str, bad: bool = False) -> None:
        await self._send({"type": "said", "value": text, "bad": bad})

    async def _send(self, message: dict[str, Any]) -> None:
        await self._gone_is_no_error(lambda socket: socket.send_json(message))

    async def _send_bytes(self, content: bytes) -> None:
        await self._gone_is_no_error(lambda socket: socket.send_bytes(content))

    async def _gone_is_no_error(self, send: Callable[[WebSocket], Any]) -> None:
        assert self._socket is not None
        try:
            await send(self._socket)
        except GONE:  # closed meanwhile; `_listen` ends us
            await asyncio.sleep(1)

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()
