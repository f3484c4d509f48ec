"""Whatever a file says is text on the page, or one line that names the file: never markup, a formula or a traceback."""

import base64
import copy
import csv
import hashlib
import html
import json
import random
import re
import shutil
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluated import make_clips, write_run
from genieredux.episodes import DatasetSpec, DatasetWriter, Episode
from genieredux.errors import UserError
from genieredux.evaluation.upgrade import upgrade
from genieredux.models.world.fake import FakeWorld
from genieredux.report import (
    DataReportConfig,
    PageWords,
    compare_runs,
    training_curves,
    write,
    write_data_report,
)
from genieredux.report.html import number, to_yaml

HOSTILE = (
    "<script>window.pwned=1</script>",
    '"><img src=x onerror="window.pwned=1">',
    "' onmouseover='window.pwned=1",
    "</style></title></pre><svg onload=window.pwned=1>",
    '0" onload="window.pwned=1" x="',
    "{{ 7 * 7 }}{% raw %}${x:y}",
    "=HYPERLINK(1)",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\ud800 half a character",
    "\x00\x1b[31m",
    "a\nb: [",
    "..",
)
NAN, INF = float("nan"), float("inf")
OTHER: tuple[Any, ...] = (None, True, -1, 0, 10**30, 1e308, NAN, -INF, [], {}, [[]], {"a": []}, "9", "")
CHOICES = ("higher", "lower", "average", "compare_at")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
TAGS = """
html head meta title style body header p h1 h2 h3 h4 dl div dt dd ul li span b em small br main section article
table caption thead tbody tr th td details summary figure figcaption svg path text circle pre code strong i
a img picture source rect
button input output noscript script"""


class Page(HTMLParser):
    """What a browser would see: tags, attributes, the content of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self._now = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._now = tag

    def handle_data(self, data: str) -> None:
        if self._now in self.inside:
            self.inside[self._now].append(data)

    def handle_endtag(self, tag: str) -> None:
        self._now = ""


def check(made: Any) -> None:
    """The page runs its own script and nothing else; the table holds no formula."""
    check_page(made.page.read_text(encoding="utf-8"))
    with made.table.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            assert not [cell for cell in row if cell.startswith(FORMULA) and not re.fullmatch(r"[-+][\d.e+-]+", cell)]
    json.loads(made.numbers.read_text(encoding="utf-8"))


def check_page(text: str) -> None:
    """Tags and attributes that the template has; one script, the one that the policy names."""
    page = Page(text)
    assert set(page.tags) <= set(TAGS.split())
    assert (page.tags.count("script"), page.tags.count("style"), page.tags.count("meta")) == (1, 1, 4)
    names = {name for name, _ in page.attributes}
    assert not [name for name in names if name.startswith("on") or name == "action"]
    addresses = [str(value) for name, value in page.attributes if name in ("src", "href", "srcset")]
    assert not [one for one in addresses if not one.startswith(("data:image/webp;base64,", "#game-"))]
    (script,) = page.inside["script"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = html.unescape(re.search(r'Security-Policy" content="([^"]*)"', text).group(1))  # type: ignore[union-attr]
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluated run with everything but pictures; nobody changes it."""
    root = tmp_path_factory.mktemp("hostile") / "run"
    log = [{"event": "train", "step": step, "loss": 1 / step} for step in range(1, 9)]
    words = PageWords(
        "Title", "Summary.", {"test": "a note"}, training_curves({"it": log}), (("again", "make it"),), (("seed", "1"),)
    )
    write_run(root, {"test": make_clips(2, 1)}, FakeWorld(noise=0.1), words=words)
    (root / "pictures.npz").unlink()
    results = json.loads((root / "results.json").read_text())
    (root / "results.json").write_text(json.dumps(upgrade(results)))
    return root


def places(plain: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything in nested plain values."""
    items = list(plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ())
    return [(plain, key) for key, _ in items] + [place for _, value in items for place in places(value)]


def spoilt(plain: Any, rng: random.Random, changes: int, words: tuple[Any, ...]) -> Any:
    """A copy with some values replaced, and some keys renamed."""
    plain = copy.deepcopy(plain)
    for _ in range(changes):
        everywhere = places(plain)
        if not everywhere:
            break
        container, key = rng.choice(everywhere)
        if isinstance(container, dict) and rng.random() < 0.3:
            container[str(rng.choice(HOSTILE))] = container.pop(key)
        else:
            container[key] = copy.deepcopy(rng.choice(words))
    return plain


def every_text(plain: Any, word: str) -> Any:
    """A copy with the word behind every text that is a value."""
    if isinstance(plain, dict):
        return {key: every_text(value, word) for key, value in plain.items()}
    if isinstance(plain, list):
        return [every_text(value, word) for value in plain]
    return (
        word + plain if isinstance(plain, str) and plain not in ("higher", "lower", "average", "compare_at") else plain
    )


@pytest.mark.parametrize("word", HOSTILE)
def test_hostile_words_are_text(folder: Path, tmp_path: Path, word: str) -> None:
    run = shutil.copytree(folder, tmp_path / "run")
    for name in ("results.json", "page.json"):
        plain = json.loads((run / name).read_text())
        (run / name).write_text(json.dumps(every_text(plain, word)))
    made = compare_runs([str(run), str(folder)], out=str(tmp_path / "page.html"), title=word)
    check(made)
    alone = compare_runs([str(run)])
    check(alone)
    text = alone.page.read_text()
    if word.strip("\r\n\t\x00") == word and "\ud800" not in word and "\x00" not in word:
        assert html.escape(word, quote=False).split("\n")[0] in text.replace("&#34;", '"').replace("&#39;", "'")


@pytest.mark.parametrize("word", [word for word in HOSTILE if not set(word) & set("\x00\r\n\t\ud800") and word != ".."])
def test_hostile_names_of_tests_metrics_rows_and_games_are_text(folder: Path, tmp_path: Path, word: str) -> None:
    """Keys too: of test sets, metrics, rows, parts, settings; and the name of the folder."""
    run = shutil.copytree(folder, tmp_path / word.replace("/", "∕"))
    plain = json.loads((run / "results.json").read_text())
    text = json.dumps(plain)
    for name in ("test", "psnr_x", "repeat_last", "sampling", "Fake", "RIGHT"):
        text = text.replace(f'"{name}":', f"{json.dumps(word + name)}:")
    renamed = json.loads(text)
    renamed["made_by"] = {**plain["made_by"], word: {word: word}}
    (run / "results.json").write_text(json.dumps(renamed))
    check(compare_runs([str(run), str(folder)], out=str(tmp_path / "page.html")))


@pytest.mark.parametrize("seed", range(40))
def test_spoilt_files_are_a_page_or_one_line(folder: Path, tmp_path: Path, seed: int) -> None:
    spoil(folder, tmp_path, seed, rounds=4)


@pytest.mark.slow
def test_spoilt_files_for_long(folder: Path, tmp_path: Path) -> None:
    for seed in range(1000, 2000):
        spoil(folder, tmp_path / str(seed), seed, rounds=4)


def spoil(folder: Path, tmp_path: Path, seed: int, rounds: int) -> None:
    rng = random.Random(seed)
    for number_of_round in range(rounds):
        run = shutil.copytree(folder, tmp_path / f"run{number_of_round}")
        for name in rng.choice((("results.json",), ("page.json",), ("results.json", "page.json"))):
            plain = json.loads((run / name).read_text())
            changed = spoilt(plain, rng, rng.choice((1, 1, 2, 5)), HOSTILE + OTHER)
            (run / name).write_text(json.dumps(changed))
        problem = ""
        try:
            check(compare_runs([str(run), str(folder)], out=str(tmp_path / "page.html")))
            check(compare_runs([str(run)]))
        except UserError as error:
            problem = str(error)
        assert "\n" not in problem
        assert len(problem) < 1000
        assert not problem or run.name in problem


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("results.json", b"[" * 100_000, "results.json cannot be read"),
        ("results.json", b'{"version": 9, "made_by": {}}', "is of version 9, and this program reads up to 2"),
        ("page.json", b"{" + b'"a":{' * 50_000, "page.json cannot be read"),
        ("page.json", b'{"titel": "x"}', "there is no key 'titel'"),
        ("page.json", b'{"facts": [["a"]]}', r"page.json: facts\[0\] is .*; it must have 2 values"),
        (
            "page.json",
            b'{"training": {"it": [{"title": "", "lines": [{"name": "", "x": [], "y": [], "tone": "0\\" on=1"}]}]}}',
            r"page.json: training.it\[0\].lines\[0\].tone is .*; it must be a whole number",
        ),
        (
            "page.json",
            b'{"training": {"it": [{"title": "t", "lines": [{"name": "n", "x": [1, 2], "y": [1]}]}]}}',
            "x has 2 values and y 1",
        ),
    ],
)
def test_what_is_wrong_is_named(folder: Path, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    run = shutil.copytree(folder, tmp_path / "run")
    (run / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        write(run)


def spoilt_arrays(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    frames = np.zeros((2, 12, 8, 8, 3), np.uint8)
    return {
        "test/even/truth": frames,
        "test/even/model": np.zeros(shape, np.uint8),
        "test/even/actions": frames[..., 0],
    }


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"control/frames": np.zeros((2, 3), np.uint8)}, "control/frames must be uint8 frames of 6 dimensions"),
        ({"test/even/truth": np.zeros((2, 12, 8, 8, 3))}, "test/even/truth must be uint8"),
        (spoilt_arrays((2, 11, 8, 8, 3)), "test/even/model must be of shape"),
        (spoilt_arrays((2, 12, 8, 8, 3)), "test/even/actions must be of shape"),
    ],
)
def test_pictures_of_another_shape_are_named(
    folder: Path, tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    run = shutil.copytree(folder, tmp_path / "run")
    np.savez(run / "pictures.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=message):
        write(run)


def test_pictures_that_unpack_to_too_much_are_refused_unread(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genieredux.report.worlds.folder._MOST_PICTURES", 2**20)
    run = shutil.copytree(folder, tmp_path / "run")
    with zipfile.ZipFile(run / "pictures.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.npy", bytes(2**21))
    assert (run / "pictures.npz").stat().st_size < 4096
    with pytest.raises(UserError, match=r"pictures.npz is damaged \(it would unpack to 2,097,152 bytes\)"):
        write(run)


def test_numbers_are_readable_whatever_they_are() -> None:
    assert number(1.234, 2) == "1.23"
    assert number(-0.001, 2, signed=True) == "0.00"
    assert number(None, 2) == number(float("nan"), 2) == number(float("inf"), 2) == "–"
    assert len(number(-1e308, 2, signed=True)) < 12
    assert to_yaml({"a": "${b", "c": None}) == "a: ${b\nc: null"


@pytest.mark.parametrize("word", HOSTILE[:10])
def test_hostile_names_in_a_data_set_are_text(tmp_path: Path, word: str) -> None:
    """Of games, consoles, tags, policies, splits, actions and recorded values, in Parquet and in dataset.json."""
    data = tmp_path / "data"
    spec = DatasetSpec("data", 16, (word, f"B{word}"), {"seed": word, word: {word: [word]}, "job": word})
    rng = np.random.default_rng(0)
    with DatasetWriter(data, spec) as writer:
        for number_of_game in range(7):
            writer.append(
                Episode(
                    frames=rng.integers(0, 255, (9, 16, 16, 3), dtype=np.uint8),
                    actions=rng.integers(0, 2, 8),
                    rewards=np.ones(8, np.float32),
                    terminated=True,
                    truncated=False,
                    info={word: np.arange(9)},
                    game=f"{word}{number_of_game % 2}",
                    console=word,
                    tags=(word,),
                    policy=word,
                    split=word,
                    seed=number_of_game,
                )
            )
    described = json.loads((data / "dataset.json").read_text())
    described["created_by"]["half"] = "half \ud800 a character"
    (data / "dataset.json").write_text(json.dumps(described))
    made = write_data_report(DataReportConfig(str(data), str(tmp_path / "page.html")))
    check_page(made.page.read_text(encoding="utf-8"))
    assert set(json.loads(made.numbers.read_text())["games"]) == {f"{word}0", f"{word}1"}
