"""Frames a second and latency of the page's server, end to end, for several players at once; and of the model alone.

    python benchmarks/play.py [--world FILE] [--players 1 4] [--seconds 20] [--long 10000] [--chromium FILE]

A player is a client that shows every picture at once and changes the key twice a second; a latency is the time from
sending a key to the picture that heeds it (a browser adds 5 to 20 ms until it is on the screen). Processor time, of
server and players together, says on a busy machine too what a frame costs. --long N plays N
frames more with one player, and says how memory and the time per frame change from one tenth to the next. --chromium
opens the page in a headless browser (needs playwright), changes the key twice a second, and reports what the page
itself says: frames a second, and key to picture until it is drawn. Prints one JSON object; measure on a quiet machine.
"""

import argparse
import json
import re
import resource
import statistics
import struct
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import uvicorn
from websockets.sync.client import connect

from genieredux.frames import to_float
from genieredux.models.world.file import shipped_world
from genieredux.play import Scene, Scenes, Settings, Wanted, scene_of
from genieredux.play.server import LOOPBACK, listen, make_app, make_config

KEYS = (["RIGHT"], ["LEFT"])


ALONE = 60
"""Frames of a dream without a server, the first ten of which are not counted among the times."""


def alone(scene: Scene, frames: int = ALONE) -> list[float]:
    """Milliseconds of each frame of a dream without a server."""
    given, actions = scene.prompts[0]
    dream = scene.world.dream(to_float(given)[None], torch.from_numpy(np.asarray(actions, np.int64))[None])
    taken, times = torch.zeros(1, dtype=torch.int64), []
    for _ in range(frames):
        began = time.perf_counter()
        dream.step(taken)
        times.append(1000 * (time.perf_counter() - began))
    return times[10:]


class Player:
    """One client; `frames` and `latencies` (ms) are what it saw after `warm` frames."""

    def __init__(self, address: str, warm: int = 10) -> None:
        self._address, self._warm = address, warm
        self.frames, self.latencies, self.seconds = 0, [], 0.0
        self.model: list[float] = []

    def play(self, seconds: float = 0.0, frames: int = 0) -> None:
        """For so long, or so many frames."""
        with connect(f"ws://{self._address}/dream", compression=None) as line:
            sent: dict[int, float] = {}
            number = shown = 0
            began = changed = time.perf_counter()

            def say(kind: str, value: Any, **more: Any) -> None:
                line.send(json.dumps({"type": kind, "value": value, **more}))

            say("fps", 240.0)
            while True:
                message = line.recv()
                now = time.perf_counter()
                if isinstance(message, str):
                    continue
                (length,) = struct.unpack_from("<I", message)
                head = json.loads(message[4 : 4 + length])
                if head["type"] != "picture":
                    continue
                shown += 1
                say("seen", shown)
                if shown == self._warm:
                    began, self.frames = now, 0
                elif shown > self._warm:
                    self.frames += 1
                    self.model.append(head["ms"])
                for key in [key for key in sent if key <= head["took"]]:
                    self.latencies.append(1000 * (now - sent.pop(key)))
                if number == 0 or now - changed > 0.5:
                    number, changed = number + 1, now
                    sent[number] = time.perf_counter()
                    say("keys", KEYS[number % 2], number=number)
                self.seconds = now - began
                if (seconds and shown > self._warm and self.seconds > seconds) or (frames and self.frames >= frames):
                    return


def measured(address: str, count: int, seconds: float, passes: Counter[int]) -> dict[str, Any]:
    """What `count` players see at once. passes: the server's count of passes, by the dreams that were in them."""
    players, before, cpu = [Player(address) for _ in range(count)], passes.copy(), time.process_time()
    threads = [threading.Thread(target=player.play, args=(seconds,)) for player in players]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cpu, made = time.process_time() - cpu, passes - before
    frames = sum(size * number for size, number in made.items())
    latencies = sorted(latency for player in players for latency in player.latencies)
    return {
        "frames_per_s_each": round(statistics.mean(player.frames / player.seconds for player in players), 1),
        "frames_per_s_slowest": round(min(player.frames / player.seconds for player in players), 1),
        "cpu_ms_per_frame": round(1000 * cpu / frames, 2),
        "dreams_in_a_pass": round(frames / made.total(), 2),
        "latency_ms_p50": round(latencies[len(latencies) // 2], 1),
        "latency_ms_p95": round(latencies[int(len(latencies) * 0.95)], 1),
        "model_ms_median": round(statistics.median(ms for player in players for ms in player.model), 1),
    }


def long_session(address: str, frames: int) -> list[dict[str, float]]:
    """Of each tenth of a session: time per frame, and the most memory so far."""
    rows, player = [], Player(address, warm=0)
    thread = threading.Thread(target=player.play, kwargs={"frames": frames}, daemon=True)
    thread.start()
    began, done = time.perf_counter(), 0
    while thread.is_alive():
        time.sleep(0.05)
        if player.frames - done >= frames // 10:
            now = time.perf_counter()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            model = statistics.median(player.model[done : player.frames])
            per_frame = 1000 * (now - began) / (player.frames - done)
            rows.append(
                {"frame": player.frames, "ms": round(per_frame, 2), "model_ms": round(model, 2), "mib": round(peak)}
            )
            began, done = now, player.frames
    return rows


def in_the_page(address: str, seconds: float, chromium: str) -> dict[str, str]:
    """What the page says of itself in a headless browser, after so long."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        tab.goto(f"http://{address}/")
        tab.locator("#status", has_text=re.compile("waiting for a key|dreaming")).wait_for()
        for number in range(round(2 * seconds)):
            key = ("ArrowRight", "ArrowLeft")[number % 2]
            tab.keyboard.down(key)
            tab.wait_for_timeout(500)
            tab.keyboard.up(key)
        said = {name: tab.locator(f"#{name}").inner_text() for name in ("fps", "latency")}
        browser.close()
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", help="default: the world that ships")
    parser.add_argument("--players", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--long", type=int, default=0)
    parser.add_argument("--chromium", help="the program; without it no browser is asked")
    options = parser.parse_args()
    path = Path(options.world or shipped_world())
    scenes = Scenes({path.stem: partial(scene_of, path, Wanted(game="none"))})
    scene = scenes.get(path.stem)
    cpu = time.process_time()
    times = alone(scene)
    cpu = time.process_time() - cpu
    settings = Settings(
        fps=240, most_fps=240, players=max([4, *options.players]), return_seconds=0, messages_per_second=1e4
    )
    listener = listen(0)
    server = uvicorn.Server(make_config(make_app(scenes, settings), settings))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    address = f"{LOOPBACK}:{listener.getsockname()[1]}"
    report: dict[str, Any] = {
        "world": path.stem,
        "threads": torch.get_num_threads(),
        "model_alone_frames_per_s": round(1000 / statistics.median(times), 1),
        "model_alone_cpu_ms_per_frame": round(1000 * cpu / ALONE, 2),
    }
    for count in options.players:
        report[f"players_{count}"] = measured(address, count, options.seconds, scene.together.passes)
        time.sleep(2)  # until their seats are free
    if options.chromium:
        report["page"] = in_the_page(address, options.seconds, options.chromium)
    if options.long:
        report["long"] = long_session(address, options.long)
    server.should_exit = True
    thread.join()
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
