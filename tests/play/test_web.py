"""A world as static files: what its page computes is what is computed here. Skipped where there is no Chromium."""

import functools
import http.server
import json
import os
import re
import threading
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from genieredux.dreams.session import DreamSession
from genieredux.errors import UserError
from genieredux.models.build import build_model
from genieredux.models.checkpoint import Section, save_model
from genieredux.models.dynamics.canvas.motion import AROUND, LIKELY, LOST, left_over, settled
from genieredux.models.dynamics.canvas.sheet import Canvas
from genieredux.models.sampling import Sampling, decode_masked
from genieredux.models.world.dream import Noise
from genieredux.models.world.file import find_world, load_world, write_world
from genieredux.play import web
from genieredux.play.replay import LONGEST, Replay, runs
from genieredux.play.web import WebExport, write_web
from genieredux.play.web.folder import RUNTIME, USUAL

STATIC = Path(web.__file__).parent / "static"
ORT = Path(os.environ.get("GENIEREDUX_ONNXRUNTIME_WEB", USUAL))
"""Where onnxruntime-web is: its folder dist."""


@pytest.fixture
def served():
    """Serves folders at an address, as any server of static files does."""
    servers = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            if self.path == "/favicon.ico":  # which browsers ask for where no page names another
                self.send_response(204)
                return self.end_headers()
            super().do_GET()

    def serve(folder):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def stand_in(tmp_path):
    """A folder with the names of onnxruntime-web's files, which nothing runs."""
    folder = tmp_path / "dist"
    folder.mkdir()
    for name in RUNTIME:
        (folder / name).write_text("// nothing")
    return str(folder)


@pytest.fixture
def token_world(tmp_path):
    """An untrained world of tokens, with a beginning."""
    tokenizer = {"architecture": "conv", "image_size": 32, "codebook_size": 16, "encoder_width": 8, "decoder_width": 8}
    frames = build_model("tokenizer", tokenizer)
    dynamics = build_model("genie_redux_guided", {}, tokenizer=frames, action_names=("A", "B"))
    sections = {"tokenizer": Section("tokenizer", asdict(frames.config), frames.state_dict())}
    config, names = asdict(dynamics.config), {"action_names": ["A", "B"]}
    path = tmp_path / "model-1.pt"
    save_model(path, dynamics.kind, config, dynamics.state_dict(), step=1, metadata=names, sections=sections)
    prompt = (np.zeros((2, 32, 32, 3), np.uint8), np.zeros(1, np.int64))
    return write_world(tmp_path / "world.pt", path, [prompt])


RUNS = ["", "0", "0x12 3 1x4", "7x20000", "2x0 1", "  1  2 ", "12345x2", "1x00003"]
NO_RUNS = ["1x", "x2", "a", "-1", "1.5", "1 x2", "123456", "1x123456", "1x19999 2 3", "1x99999", "0X2", "1x2x3", "٣"]


def test_links_of_both_pages_write_actions_alike(tab, served):
    """The same table for replay.py and runs.js."""
    tab.goto(served(STATIC.parents[1] / "static") + "/runs.js")
    actions = [Replay(world="w", prompt=0, actions=text).taken() for text in RUNS]
    actions.append(np.random.default_rng(0).integers(0, 3, 500).tolist())
    script = "async given => { const { %s } = await import('/runs.js'); return given.map((one) => %s) }"
    assert tab.evaluate(script % ("packed", "packed(one)"), actions) == [runs(one) for one in actions]
    assert tab.evaluate(script % ("unpacked", "unpacked(one)"), RUNS) == actions[:-1]
    for text in NO_RUNS:
        with pytest.raises(UserError, match=r"replay\.actions is"):
            Replay(world="w", prompt=0, actions=text)
    assert tab.evaluate(script % ("unpacked", "unpacked(one)"), NO_RUNS) == [None] * len(NO_RUNS)
    assert tab.evaluate(script % ("LONGEST", "LONGEST"), [0]) == [LONGEST]


def test_what_both_pages_have_is_written_once():
    """No button of time and no figure stands in either page itself: both fit them in from the same file."""
    for page in (STATIC / "index.html", STATIC.parents[1] / "static/index.html"):
        text = page.read_text(encoding="utf-8")
        assert 'data-do="restart"' not in text
        assert 'data-fit="transport"' in text
        assert all(f'id="{name}"' not in text for name in ("fps", "ms", "seed", "speed"))


def at_modules(tab, served):
    """The page's own modules, without the page."""
    tab.goto(served(STATIC) + "/canvas.js")


def test_the_page_draws_the_noise_that_torch_draws(tab, served):
    at_modules(tab, served)
    seeds = [0, 3, 2**32 - 1, 2**40]
    noise = Noise(seeds, 7, Sampling(choice="sample"), torch.device("cpu")).of(1, (1, 300))
    assert noise is not None
    expected = noise(0)[:, 0].numpy()
    made = tab.evaluate(
        "async seeds => { const { gumbel } = await import('/tokens.js');"
        " return seeds.map((s) => [...gumbel(s, 7, 300)]) }",
        seeds,
    )
    np.testing.assert_allclose(np.array(made, np.float32), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("choice", ["mode", "mean", "sample"])
def test_the_page_takes_the_token_that_the_world_takes(tab, served, choice):
    """One after another, each making up for the rounding of those before."""
    at_modules(tab, served)
    generator = torch.Generator().manual_seed(0)
    codes = 4 * torch.rand(40, 2, generator=generator) - 2
    logits = torch.randn(60, 40, generator=generator)
    sampling = Sampling(choice=choice, temperature=0.5)
    owed, tokens, left = torch.tensor([[0.3, -0.2]]), [], []
    for frame, row in enumerate(logits):
        noise = Noise([5], frame, sampling, torch.device("cpu")).of(1, (1, 40))
        drawn = decode_masked(lambda _, row=row: row[None, None], torch.full((1, 1), 40), codes, sampling, noise).tokens
        token, wanted = settled(drawn[:, 0], row[None], codes, owed)
        owed = left_over(wanted, codes[token])
        tokens.append(token.item())
        left.append(owed[0].tolist())
    script = """async ({ logits, about, sampling, owed }) => {
      const { choose } = await import('/tokens.js');
      return logits.map((row, frame) => {
        const made = choose(row, about, sampling, 5, frame, owed);
        owed = made.owed;
        return made;
      });
    }"""
    about = {"codes": codes.tolist(), "around": AROUND, "likely": LIKELY, "lost": LOST}
    told = {"logits": logits.tolist(), "about": about, "sampling": asdict(sampling), "owed": [0.3, -0.2]}
    made = tab.evaluate(script, told)
    assert [one["token"] for one in made] == tokens
    np.testing.assert_allclose([one["owed"] for one in made], left, atol=1e-5)
    assert np.abs(left).max() > 0.1


@pytest.mark.parametrize("whole", [False, True])
def test_the_pages_canvas_is_the_worlds_canvas(tab, served, whole):
    at_modules(tab, served)
    rng = np.random.default_rng(0)
    size, margin = 16, 8
    frames = rng.random((6, 3, size, size), np.float32)
    over = rng.integers(0, 2, (6, size, size)).astype(np.float32)
    shifts = np.array([[0.3, -0.7], [0.5, 2.5], [-3.25, 4.1], [0, 0], [9.6, -20.2]], np.float32)
    canvas = Canvas.of(torch.from_numpy(frames[:1]), margin, whole)
    expected = []
    for frame, where, shift in zip(frames[1:], over[1:], shifts, strict=True):
        canvas.move(torch.from_numpy(shift[None]))
        view, known = canvas.view()
        canvas.write(torch.from_numpy(frame[None]), torch.from_numpy(where[None, None]))
        expected.append((view.numpy(), known.numpy(), canvas.colours.numpy(), canvas.known.numpy()))
    script = """async ({ frames, over, shifts, size, margin, whole, limit }) => {
      const { canvasOf, moved, seen, written } = await import('/canvas.js');
      let canvas = canvasOf(Float32Array.from(frames[0]), size, margin, whole);
      return shifts.map((shift, k) => {
        canvas = moved(canvas, shift);
        const { view, known } = seen(canvas, limit);
        canvas = written(canvas, Float32Array.from(frames[k + 1]), Float32Array.from(over[k + 1]));
        return [view, known, canvas.colours, canvas.known].map((one) => [...one]);
      });
    }"""
    given = {"frames": frames.reshape(6, -1).tolist(), "over": over.reshape(6, -1).tolist(), "shifts": shifts.tolist()}
    made = tab.evaluate(script, {**given, "size": size, "margin": margin, "whole": whole, "limit": 0.98})
    for ours, theirs in zip(expected, made, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one.ravel(), np.array(other, np.float32))


def test_what_is_missing_is_said_and_nothing_is_written(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UserError, match="npm install onnxruntime-web"):
        write_web(WebExport(out=str(out), runtime=str(tmp_path)))
    assert not out.exists()


def test_at_least_one_beginning(tmp_path, stand_in):
    with pytest.raises(UserError, match="prompts is 0"):
        write_web(WebExport(out=str(tmp_path / "out"), runtime=stand_in, prompts=0))


def test_a_world_of_tokens_is_refused(tmp_path, stand_in, token_world):
    out = tmp_path / "out"
    with pytest.raises(UserError, match="world of tokens"):
        write_web(WebExport(world=str(token_world), out=str(out), runtime=stand_in))
    assert not out.exists()


@pytest.mark.slow
def test_a_world_in_the_browser_is_the_world_here(open_tab, served, tmp_path):
    pytest.importorskip("onnx")
    if not (ORT / RUNTIME[0]).is_file():
        pytest.skip("onnxruntime-web is not here; npm install onnxruntime-web, or say where in the environment")
    folder = write_web(WebExport(out=str(tmp_path / "out"), runtime=str(ORT)))
    world, prompts = load_world(find_world("coinrun"))
    actions = [0, 0, 4, 4, 4, 0, 1, 1, 3, 0] * 6
    session = DreamSession(world, prompts)
    session.start(2, seed=5)
    for action in actions:
        session.step(action)
    tab = open_tab()
    address = served(folder)
    tab.goto(address + "/index.html")
    tab.locator("#status", has_text="waiting for a key").wait_for()
    script = """async (actions) => {
      const { bytes } = await import('./world.js');
      let state = await genieredux.world.begin(2, 5);
      const frames = [];
      for (const action of actions) {
        state = await genieredux.world.step(state, action);
        frames.push([...bytes(state.last)]);
      }
      return { frames, checksum: state.checksum };
    }"""
    made = tab.evaluate(script, actions)
    here = np.stack([picture.frame for picture in session.pictures[1:]]).astype(int)
    there = np.array(made["frames"]).reshape(here.shape)
    assert made["checksum"] == session.pictures[-1].checksum  # of all tokens
    assert np.abs(here - there).max() <= 2
    # and a person steers it
    tab.keyboard.down("ArrowRight")
    tab.locator("#number", has_text="5").wait_for()
    tab.keyboard.up("ArrowRight")
    assert tab.locator("#action").inner_text() == "RIGHT"
    tab.keyboard.press("p")
    tab.locator("#status", has_text="paused").wait_for()
    tab.wait_for_timeout(500)  # a frame may be under way
    number = int(tab.locator("#number").inner_text())
    tab.keyboard.press(",")
    tab.locator("#number", has_text=re.compile(f"^{number - 1}$")).wait_for()
    # a link plays the same again
    said = f"prompt=2&seed=5&checksum={made['checksum']}&actions={'.'.join(map(str, actions))}"
    tab.goto(f"{address}/index.html#{said}")
    tab.reload()
    tab.locator("#said", has_text="the same dream").wait_for()
    assert json.loads((folder / "world.json").read_text())["actions"] == list(world.action_names)
