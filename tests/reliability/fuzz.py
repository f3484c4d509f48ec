"""The fuzzer: words of the command line and files of the user, changed at random from a seed.

    python tests/reliability/fuzz.py [KIND ...] [--cases 200] [--seed 0] [--only N]

Kinds: words (configurations of every verb), yaml (a configuration file of one's own), data (files of a data set),
checkpoint (model and optimiser files), results (of an evaluation), socket (messages to the page's server). Each case
is a fork of one process that has imported everything, with 2 GiB to allocate and 10 s of computing. Counted are
tracebacks (and every exit code but 0 and 2), hangs, and refused allocations: 0, 0, 0 are wanted. Prints how to repeat
each.
"""

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import scenarios
import sweep
from damage import damage_bytes, damage_checkpoint, damage_json, damage_parquet
from scenarios import DYNAMICS, EVAL_WORDS, TOKENIZER, TRAIN

SECONDS = 10
"""Of computing. What waits without computing is ended after thirty times as long."""
BYTES = 2 << 30
VALUES = (
    *("", "null", "true", "nan", "inf", "-inf", "-1", "0", "1", "0.5", "1e3", "1e400", "1_000", "0x10", "٣", "1,2"),
    *("9223372036854775807", "-9223372036854775808", "1000000000", "18446744073709551616", "1e9", "1e-320", "~/x"),
    *("abc", "été", "a b", "a=b", "a,b", "[", "]", "{", "}", "[1,2]", "{a: 1}", "[[[[1]]]]", "'", '"', "\\", "#", "$x"),
    *("${train}", "${oc.env:HOME}", "${oc.env:X}", "???", "!!python/name:os.system", "&a *a", "\t", "\n", "\x00"[:0]),
    *("../../x", "/", ".", "..", "/dev/null", "/dev/full", "/proc/self/mem", "x" * 300, "http://localhost:1/x", "%s"),
    *("datasets", "datasets/toy", "datasets/toy/dataset.json", "checkpoints", "s3://nowhere/x", "\udcff", "-", "--"),
)
ENDS = ("num_train_steps", "n_sessions", "n_frames", "n_steps_max", "n_instances", "num_clips", "n_games")
"""Amounts of work that a person may ask for: a large one takes long and is no hang."""


@dataclass
class Tally:
    """What one kind gave."""

    cases: int = 0
    done: int = 0
    """Commands that ended with 0: what was changed did not matter, or was mended."""
    tracebacks: int = 0
    hangs: int = 0
    allocations: int = 0
    found: list[str] = field(default_factory=list)

    def line(self) -> dict[str, int]:
        """The numbers alone."""
        return {name: getattr(self, name) for name in ("cases", "done", "tracebacks", "hangs", "allocations")}


def main() -> int:
    """Fuzz the kinds that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []])
    parser.add_argument("--cases", type=int, default=200, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="this case alone, with all it says")
    options = parser.parse_args()
    scenarios.import_everything(list(scenarios.SCENARIOS))
    tallies = {}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        prepared = Path(place) / "prepared"
        prepared.mkdir()
        code, said = sweep.in_folder(prepared, lambda: prepare() or 0)
        if code:
            sys.exit(f"what is to be fuzzed could not be made: {said}")
        for kind in options.kinds or list(KINDS):
            tallies[kind] = tally = Tally()
            numbers = range(options.cases) if options.only is None else [options.only]
            KINDS[kind](Path(place), numbers, options.seed, tally, options.only is not None)
            for found in tally.found:
                print(f"{kind} {found}", flush=True)
            print(json.dumps({kind: tally.line()}), flush=True)
    return 1 if any(tally.tracebacks + tally.hangs + tally.allocations for tally in tallies.values()) else 0


def prepare() -> None:
    """A data set, a tokenizer, a world, an evaluation, films and a configuration of one's own."""
    scenarios.trained()
    scenarios.run(*EVAL_WORDS)
    scenarios.filmed()
    scenarios.configured()


COMMANDS: tuple[tuple[str, ...], ...] = (
    (
        "genie_redux",
        "train",
        *TRAIN,
        "train.num_train_steps=1",
        "train.dataset_name=toy",
        "model=tokenizer",
        "run_name=f",
    )
    + tuple(TOKENIZER.split()),
    ("genie_redux", "train", *TRAIN, "train.num_train_steps=1", "train.dataset_name=toy", "run_name=f")
    + ("model=genie_redux_guided", "tokenizer_fpath=checkpoints/tokenizer/t/model-4.pt", *DYNAMICS.split()),
    ("genie_redux", "train", *TRAIN, "train.num_train_steps=1", "train.dataset_name=toy", "run_name=f")
    + ("model=latent_action_model", "lam.architecture=conv", "lam.image_size=16", "lam.dim=8", "lam.width=8"),
    EVAL_WORDS,
    ("genie_redux", "eval", "eval=papers", "eval.model_fpath=missing.pt", "eval.temperature=1", "eval.choice=mode"),
    (
        "generate",
        "config=toy",
        "config.connector.games=[nowhere]",
        "config.connector.image_size=16",
        "seed=0",
        "root=d",
    ),
    ("generate", "config=coinrun/hard", "config.connector.games=[nowhere]", "config.connector.agent.gamma=1", "seed=1"),
    ("demo", "config=smoke", "out=runs/f", "seed=3", "num_prompts=1", "eval.seed=1", "num_clips=0"),
    ("play", "world=missing.pt", "port=0", "browser=false", "fps=15", "steps=1", "temperature=1.0", "choice=mode"),
    ("doctor", "config=quickstart/tokenizer", "train.dataset_name=missing"),
    ("report", "results", "out=f.html"),
    ("data", "info", "datasets/toy"),
    ("data", "report", "datasets/toy", "out=f.html", "games=square"),
    ("data", "export", "datasets/toy", "format=mp4", "out=exported"),
    ("data", "import-videos", "films", "name=films", "root=datasets", "image_size=16", "frame_skip=1"),
    ("data", "convert", "films", "name=x", "root=datasets", "damaged=skip"),
    ("retroact", "list", "genre=pl", "view=side"),
    ("retroact", "show", "SuperMarioBros-Nes"),
    ("checkpoint", "info", "checkpoints/tokenizer/t/model-4.pt"),
    ("checkpoint", "import", "checkpoints/tokenizer/t/model-4.pt", "out=x.pt", "kind=tokenizer"),
    ("checkpoint", "export", "checkpoints/tokenizer/t/model-4.pt", "out=hub"),
    ("metrics", "list"),
)


def fuzz_words(place: Path, numbers: Sequence[int], seed: int, tally: Tally, loud: bool) -> None:
    """One or two words of a command changed."""
    for n in numbers:
        draw = random.Random(f"words {seed} {n}")
        words = list(draw.choice(COMMANDS))
        for _ in range(draw.choice((1, 1, 2))):
            change_word(words, draw)
        try_one(place, words, f"case {n}: {words!r}", tally, loud, lambda folder: None)


def change_word(words: list[str], draw: random.Random) -> None:
    """Another value, another key, a letter more or less, a word twice, a word of another command."""
    at = draw.randrange(1, len(words))
    key, equals, value = words[at].partition("=")
    way = draw.randrange(8)
    if equals and way <= 4:
        limited = key.rpartition(".")[2] in ENDS
        words[at] = f"{key}={draw.choice([v for v in VALUES if not (limited and v.strip('-').isdigit())])}"
    elif way == 5:
        cut = draw.randrange(len(words[at]) + 1)
        words[at] = words[at][:cut] + draw.choice((*"=.[]{}'\"\\#$,+~- ", "é", "\t")) + words[at][cut + 1 :]
    elif way == 6:
        words.insert(at, draw.choice([word for word in draw.choice(COMMANDS) if not any(end in word for end in ENDS)]))
    elif equals:
        words[at] = f"{key[: draw.randrange(1, len(key) + 1)]}={value}"
    else:
        words[at] = draw.choice(VALUES)


def fuzz_yaml(place: Path, numbers: Sequence[int], seed: int, tally: Tally, loud: bool) -> None:
    """A configuration file of one's own, damaged."""
    lines = ("a: [", "\tx: 1", "connector: 3", "a: &a [*a]", "x: !!python/object:os.system {}", "? {}", "connector: {}")
    for n in numbers:
        draw = random.Random(f"yaml {seed} {n}")

        def spoil(folder: Path, draw: random.Random = draw) -> None:
            path = folder / "configs/generate/config/toy.yaml"
            content = path.read_bytes()
            if draw.random() < 0.5:
                rows = content.decode().splitlines()
                rows.insert(draw.randrange(len(rows) + 1), draw.choice(lines))
                content = "\n".join(rows).encode()
            else:
                content = damage_bytes(content, draw)
            path.write_bytes(content)

        words = ["generate", "config=toy", "config.connector.image_size=100000"]
        try_one(place, words, f"case {n}", tally, loud, spoil)


def fuzz_files(pattern: str, commands: Sequence[Sequence[str]]) -> Callable[..., None]:
    """Files that match are damaged, by bytes or in their structure, and read by a command."""

    def fuzz(place: Path, numbers: Sequence[int], seed: int, tally: Tally, loud: bool) -> None:
        prepared = place / "prepared"
        paths = sorted(path.relative_to(prepared) for path in prepared.glob(pattern) if path.is_file())
        for n in numbers:
            draw = random.Random(f"{pattern} {seed} {n}")
            path = draw.choice(paths)
            words = list(draw.choice(commands))

            def spoil(folder: Path, path: Path = path, draw: random.Random = draw) -> None:
                spoil_file(folder / path, draw)

            try_one(place, words, f"case {n}: {path}, {' '.join(words[:3])}", tally, loud, spoil)

    return fuzz


def spoil_file(path: Path, draw: random.Random) -> None:
    """By structure where it has one that is known here, else by bytes."""
    content = path.read_bytes()
    ways: dict[str, Callable[[bytes, random.Random], bytes]] = {
        ".json": damage_json,
        ".parquet": damage_parquet,
        ".pt": damage_checkpoint,
    }
    way = ways.get(path.suffix, damage_bytes) if draw.random() < 0.6 else damage_bytes
    path.write_bytes(way(content, draw))


def try_one(place: Path, words: list[str], name: str, tally: Tally, loud: bool, spoil: Callable[[Path], None]) -> None:
    """Run a command in a copy that was spoiled; count what it did."""
    folder = place / "work"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(place / "prepared", folder)
    spoil(folder)
    tally.cases += 1
    code, said = sweep.in_folder(folder, lambda: limited(words))
    if loud:
        print(name, f"ended with {code}\n{said}")
    last = said.strip().splitlines()[-1][:200] if said.strip() else ""
    tally.done += code == 0
    if code in (-signal.SIGALRM, -signal.SIGPROF):
        tally.hangs += 1
        tally.found.append(f"{name}: over {SECONDS} s")
    elif "can't allocate memory" in said or "MemoryError" in said or "ArrowMemoryError" in said:
        tally.allocations += 1
        tally.found.append(f"{name}: over 2 GiB: {last}")
    elif code not in (0, 2) or "Traceback (most recent call last)" in said:
        tally.tracebacks += 1
        tally.found.append(f"{name}: ended with {code}: {last}")


def limited(words: list[str]) -> int:
    """A command within the seconds and bytes."""
    from genieredux.cli.main import run

    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + BYTES, size + BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(30 * SECONDS)
    try:
        return run(words)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)


MESSAGES: tuple[Any, ...] = (
    {"type": "keys", "value": ["ArrowRight"]},
    {"type": "restart"},
    {"type": "next"},
    {"type": "seen", "value": 1},
    {"type": "pause", "value": True},
    {"type": "keep", "value": True},
)


def fuzz_socket(place: Path, numbers: Sequence[int], seed: int, tally: Tally, loud: bool) -> None:
    """Messages to the server that `play` starts, each over a connection of its own; it must stay alive and silent."""
    from websockets.sync.client import connect

    with served(place) as (address, server):
        for n in numbers:
            draw = random.Random(f"socket {seed} {n}")
            tally.cases += 1
            with contextlib.suppress(Exception), connect(f"ws://{address}/dream", open_timeout=SECONDS) as socket:
                for _ in range(3):
                    socket.send(message(draw))
            if server.poll() is not None:
                break
        with connect(f"ws://{address}/dream", open_timeout=SECONDS) as socket:
            if "actions" not in json.loads(socket.recv(SECONDS)):
                tally.found.append("no greeting after all")
    said = (place / "served.txt").read_text(errors="replace")
    tally.tracebacks += said.count("Traceback (most recent call last)")
    if loud or "Traceback" in said:
        tally.found.append(f"seed {seed}: {said[-600:]}")


def message(draw: random.Random) -> str | bytes:
    """A message of the page with something changed in it."""
    way = draw.randrange(5)
    if way == 0:
        return damage_bytes(json.dumps(draw.choice(MESSAGES)).encode(), draw)
    if way == 1:
        return damage_bytes(json.dumps(draw.choice(MESSAGES)).encode(), draw).decode(errors="replace")
    if way == 2:
        return "[" * draw.choice((10, 1000, 100_000)) + "]" * draw.choice((0, 1000))
    return damage_json(json.dumps(draw.choice(MESSAGES)).encode(), draw).decode(errors="replace")


@contextlib.contextmanager
def served(place: Path) -> Iterator[tuple[str, Any]]:
    """The server of the world that ships, as the command line starts it."""
    log = place / "served.txt"
    program = "from genieredux.cli.main import main; main()"
    words = ["play", "port=0", "browser=false", "fps=50"]
    with log.open("wb") as file:
        server = subprocess.Popen([sys.executable, "-uc", program, *words], stdout=file, stderr=file)
        try:
            address = _address(log, server)
            yield address, server
        finally:
            server.terminate()
            server.wait(30)


def _address(log: Path, server: subprocess.Popen[bytes]) -> str:
    import re
    import time

    for _ in range(1200):
        match = re.search(r"http://(127\.0\.0\.1:\d+)", log.read_text())
        if match:
            return match[1]
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit(f"the server did not start: {log.read_text()}")


READ_DATA = (
    ("data", "info", "datasets/toy"),
    ("data", "index", "datasets/toy"),
    ("data", "compact", "datasets/toy"),
    ("data", "report", "datasets/toy"),
    ("data", "export", "datasets/toy", "format=mp4", "out=exported"),
    COMMANDS[0],
    COMMANDS[1],
    EVAL_WORDS,
)
READ_MODELS = (
    ("checkpoint", "info", "checkpoints/tokenizer/t/model-4.pt"),
    ("checkpoint", "export", "checkpoints/genie_redux_guided/w/model-4.pt", "out=hub"),
    tuple(word.replace("steps=1", "steps=5").replace("run_name=f", "run_name=t") for word in COMMANDS[0]),
    tuple(word.replace("steps=1", "steps=5").replace("run_name=f", "run_name=w") for word in COMMANDS[1]),
    EVAL_WORDS,
)
KINDS: dict[str, Callable[..., None]] = {
    "words": fuzz_words,
    "yaml": fuzz_yaml,
    "data": fuzz_files("datasets/**/*", READ_DATA),
    "checkpoint": fuzz_files("checkpoints/*/*/*.pt", READ_MODELS),
    "results": fuzz_files("results/*/*/*.*", (("report", "results", "out=f.html"),)),
    "socket": fuzz_socket,
}

if __name__ == "__main__":
    sys.exit(main())
