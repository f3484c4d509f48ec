"""The page in a real browser. Skipped where there is no Chromium."""

import io
import json
import re

import av
import numpy as np
import pytest
from PIL import Image

from genieredux.episodes import Dataset
from genieredux.models.world.fake import FakeWorld
from genieredux.play import Scene
from genieredux.play.doubt import Doubt
from playing import prompts_for, running


def pixels(tab, canvas="frame"):
    """(64, 64, 3), as they are on a canvas."""
    data = tab.evaluate(
        "id => { const c = document.getElementById(id);"
        " return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data] }",
        canvas,
    )
    return np.array(data, np.uint8).reshape(64, 64, 4)[..., :3]


def wait(tab, name, expected):
    """Until the element with this id says so. (The page's security policy forbids waiting by a script.)"""
    tab.locator(f"#{name}", has_text=re.compile(f"^{expected}$")).wait_for(timeout=60_000)


def text(tab, name):
    return tab.locator(f"#{name}").inner_text()


def number(tab):
    return int(text(tab, "number"))


def reach(tab, at_least):
    for _ in range(600):
        if number(tab) >= at_least:
            return
        tab.wait_for_timeout(25)
    raise AssertionError(f"frame {at_least} was not reached; it is {number(tab)}")


def opened(tab, address, more=""):
    tab.goto(f"http://{address}/{more}")
    tab.locator("#gallery button").first.wait_for()
    wait(tab, "status", "waiting for a key")
    return tab


def step(tab, key, times=1):
    """Single steps while paused."""
    for _ in range(times):
        before = number(tab)
        tab.keyboard.down(key)
        tab.keyboard.press(".")
        reach(tab, before + 1)
        tab.keyboard.up(key)


def test_a_person_can_walk(tab, scene, prompts):
    with running(scene, fps=60) as (address, _):
        opened(tab, address)
        assert tab.locator("#world").input_value() == "Tiles"
        first = pixels(tab)
        assert (first == prompts[0].frames[-1]).all()
        assert tab.locator("#veil").is_visible()

        tab.keyboard.down("ArrowRight")
        wait(tab, "action", "RIGHT")
        tab.keyboard.down("Space")
        wait(tab, "action", "RIGHT_UP")
        assert text(tab, "status") == "dreaming"
        tab.keyboard.up("Space")
        tab.keyboard.up("ArrowRight")
        wait(tab, "status", "waiting for a key")
        assert (pixels(tab) != first).any()
        assert re.fullmatch(r"\d+ / \d+ ms", text(tab, "latency"))

        tab.keyboard.press("e")
        assert tab.locator("#heat").is_visible()
        assert text(tab, "unsure").endswith("nats")
        tab.keyboard.press("n")
        wait(tab, "number", "0")
        assert tab.locator('#gallery button[data-prompt="1"]').get_attribute("aria-pressed") == "true"

        tab.locator('#pad [data-piece="LEFT"]').hover()
        tab.mouse.down()
        wait(tab, "action", "LEFT")
        tab.mouse.up()
        tab.get_by_role("button", name="Keep going").click()
        reach(tab, number(tab) + 5)
        tab.keyboard.press("p")
        wait(tab, "status", "paused")
        tab.keyboard.press("r")
        wait(tab, "number", "0")
        wait(tab, "status", "paused")


def test_going_back_and_taking_another_way(tab):
    world = FakeWorld(noise=0.3)
    with running(Scene("Noise", world, prompts_for(world)), fps=60) as (address, _):
        opened(tab, address)
        tab.keyboard.press("p")
        shown = [pixels(tab)]
        for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowRight", "ArrowDown"):
            step(tab, key)
            shown.append(pixels(tab))
        tab.locator('#thumbs button[data-number="2"]').click()
        wait(tab, "number", "2")
        assert (pixels(tab) == shown[2]).all()
        step(tab, "ArrowLeft")
        assert (pixels(tab) != shown[3]).any()  # another way
        tab.keyboard.press(",")
        wait(tab, "number", "2")
        for key, expected in zip(("ArrowUp", "ArrowRight", "ArrowDown"), shown[3:], strict=True):
            step(tab, key)
            assert (pixels(tab) == expected).all()  # and the old way again
        slider = tab.locator("#time")
        slider.focus()
        tab.keyboard.press("Home")
        wait(tab, "number", "0")
        assert (pixels(tab) == shown[0]).all()


def test_what_is_saved_is_what_was_seen(tab, scene):
    with running(scene, fps=60) as (address, _):
        opened(tab, address)
        tab.keyboard.press("p")
        shown = [pixels(tab)]
        for key in ("ArrowRight", "ArrowUp", "ArrowLeft"):
            step(tab, key)
            shown.append(pixels(tab))
        tab.locator("#saving summary").click()
        with tab.expect_download() as saved:
            tab.locator("#save-mp4").click()
        with av.open(str(saved.value.path())) as film:
            frames = np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])
        expected = np.stack(shown).repeat(4, 1).repeat(4, 2)
        assert frames.shape == expected.shape
        assert np.abs(frames.astype(int) - expected).mean() < 4
        with tab.expect_download() as saved:
            tab.locator("#save-png").click()
        assert (np.asarray(Image.open(saved.value.path())) == expected[-1]).all()


def test_a_link_and_a_file_play_the_same_frames_again(open_tab):
    world = FakeWorld(noise=0.3)
    with running(Scene("Noise", world, prompts_for(world)), fps=60) as (address, _):
        tab = opened(open_tab(), address)
        tab.keyboard.press("n")
        tab.keyboard.press("p")
        step(tab, "ArrowRight", 3)
        step(tab, "ArrowUp", 2)
        last = pixels(tab)
        tab.locator("#saving summary").click()
        tab.locator("#link").click()
        tab.locator("#link-shown").wait_for()
        link = tab.locator("#link-shown").input_value()
        with tab.expect_download() as saved:
            tab.locator("#json").click()
        replay = json.loads(saved.value.path().read_text())
        assert replay["actions"] == "0x3 3x2"

        other = open_tab()
        other.goto(link)
        other.get_by_text("the same dream, frame by frame").wait_for()
        assert (number(other), (pixels(other) == last).all()) == (5, True)
        other.locator('#thumbs button[data-number="2"]').wait_for()

        opened(tab, address)
        tab.locator("#open-json").set_input_files(
            {"name": "play.json", "mimeType": "application/json", "buffer": json.dumps(replay).encode()}
        )
        tab.get_by_text("the same dream, frame by frame").wait_for()
        assert (pixels(tab) == last).all()
        other.goto(f"http://{address}/#play=zAAAA")
        other.get_by_text("the link is damaged").wait_for()


def test_a_person_brings_a_picture(tab, scene):
    wide = np.zeros((30, 60, 3), np.uint8)
    wide[:, :30] = (255, 0, 0)
    buffer = io.BytesIO()
    Image.fromarray(wide).save(buffer, "PNG")
    with running(scene, fps=60) as (address, _):
        opened(tab, address)
        tab.locator("#picture").set_input_files(
            {"name": "mine.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
        )
        tab.locator('#gallery button[aria-pressed="true"]').wait_for(state="detached")
        shown = pixels(tab)
        assert (shown[:15] == 0).all()  # black above and below
        assert (shown[20:44, 2:30] == (255, 0, 0)).all()
        tab.keyboard.down("ArrowRight")
        reach(tab, 1)
        tab.keyboard.up("ArrowRight")
        tab.locator("#picture").set_input_files({"name": "no.png", "mimeType": "image/png", "buffer": b"no picture"})
        tab.get_by_text("no.png is no picture that this browser can read").wait_for()


def test_two_people_dream_apart_and_a_third_waits(open_tab, scene):
    with running(scene, fps=60, players=2, return_seconds=0.1) as (address, _):
        one, two = opened(open_tab(), address), opened(open_tab(), address)
        one.keyboard.down("ArrowRight")
        reach(one, 3)
        one.keyboard.up("ArrowRight")
        assert number(two) == 0
        third = open_tab()
        third.goto(f"http://{address}/")
        wait(third, "status", "2 people are dreaming already: this page waits for a free seat")
        two.close()
        wait(third, "status", "waiting for a key")


def test_keys_are_let_go_when_the_window_is_left_and_the_dream_is_there_after_a_break(tab, scene):
    tab.add_init_script(  # so that the test can break the connection, as a network does
        "const Real = WebSocket;"
        "window.WebSocket = class extends Real { constructor(...all) { super(...all); window.broken = this; } };"
    )
    with running(scene, fps=60) as (address, _):
        opened(tab, address)
        tab.keyboard.down("ArrowRight")
        reach(tab, 3)
        tab.evaluate("window.dispatchEvent(new Event('blur'))")
        wait(tab, "status", "waiting for a key")
        tab.keyboard.up("ArrowRight")
        tab.keyboard.down("ArrowUp")
        reach(tab, number(tab) + 2)
        tab.evaluate("window.broken.close()")
        wait(tab, "status", "the program has ended, or the connection is lost: trying again")
        wait(tab, "status", "waiting for a key")  # the key that was down is up
        before = number(tab)
        tab.keyboard.up("ArrowUp")
        tab.keyboard.down("ArrowRight")
        reach(tab, before + 1)
        tab.keyboard.up("ArrowRight")
        wait(tab, "status", "waiting for a key")
        assert before >= 5  # it went on where it was


def test_the_real_game_is_toggled_and_compared(tab, beside):
    with running(beside, fps=60) as (address, _):
        opened(tab, address)
        assert tab.locator("#views").is_hidden()
        tab.fill("#level", "4")
        tab.locator("#level-form button").click()
        tab.locator("#views").wait_for()
        assert tab.locator("#game").is_visible()
        assert (pixels(tab, "real") == pixels(tab)).all()
        tab.keyboard.press("p")
        step(tab, "ArrowRight", 3)
        tab.locator('[data-view="apart"]').click()
        apart = np.abs(pixels(tab, "real").astype(int) - pixels(tab).astype(int))
        assert (pixels(tab, "difference") == np.minimum(2 * apart, 255)).all()
        assert text(tab, "psnr").endswith("dB")
        tab.locator("#screens").focus()
        tab.keyboard.press("Tab")
        assert (tab.locator("#dream").is_visible(), tab.locator("#game").is_visible()) == (True, False)
        tab.keyboard.press("Tab")
        assert (tab.locator("#dream").is_visible(), tab.locator("#game").is_visible()) == (False, True)
        tab.keyboard.press("Shift+Tab")  # and out of it
        assert tab.evaluate("document.activeElement.id") != "screens"


def test_a_red_frame_says_that_the_world_is_likely_wrong(tab):
    world = FakeWorld(noise=0.5)
    doubt = Doubt(np.array([0.0, 0.01]), np.array([0.0, 1.0]), limit=0.2, correlation=-0.4)
    with running(Scene("Doubtful", world, prompts_for(world), doubt=doubt), fps=60) as (address, _):
        opened(tab, address)
        assert tab.locator("#wrong").is_hidden()
        tab.keyboard.press("p")
        step(tab, "ArrowRight")
        assert tab.locator("#wrong").is_visible()
        assert "wrong" in tab.locator("#dream").get_attribute("class")
        assert text(tab, "expected").endswith("dB")


def test_a_policy_plays_until_a_key_is_pressed_and_play_is_recorded(tab, scene, tmp_path):
    with running(scene, fps=60, folder=tmp_path) as (address, _):
        opened(tab, address)
        tab.locator("#watching summary").click()
        tab.locator("#saving summary").click()
        tab.locator("#record").click()
        tab.get_by_text("is stored in").wait_for()
        tab.select_option("#policy", "random")
        wait(tab, "status", "random plays")
        reach(tab, 10)
        tab.keyboard.down("ArrowDown")
        wait(tab, "status", "dreaming")
        reach(tab, number(tab) + 2)
        assert text(tab, "action") == "DOWN"
        tab.keyboard.up("ArrowDown")
        wait(tab, "status", "waiting for a key")
        assert tab.locator("#policy").input_value() == ""
        tab.locator("#record").click()
        tab.get_by_text("Record to a data set").wait_for()
        count = number(tab)
    episode = Dataset.open(str(tmp_path / "play_Tiles_dream")).episode(0)
    assert len(episode.actions) == count
    assert episode.policy == "person+random"


def test_codes_have_keys_and_what_was_measured_of_them(tab):
    world = FakeWorld(("LATENT_0", "LATENT_1"))
    scene = Scene("Codes", world, prompts_for(world), notes=("RIGHT 80%", "never seen"))
    with running(scene, fps=60) as (address, _):
        opened(tab, address)
        assert "RIGHT 80%" in tab.locator("#pad").inner_text()
        tab.keyboard.down("Digit1")
        wait(tab, "action", "LATENT_1")
        tab.keyboard.up("Digit1")


def test_a_gamepad_steers(tab, scene):
    # No gamepad can be plugged into a headless browser: the browser's own list of them is what is replaced.
    tab.add_init_script(
        "window.pad = {axes: [0, 0], buttons: Array.from({length: 16}, () => ({pressed: false}))};"
        "navigator.getGamepads = () => [window.pad];"
    )
    with running(scene, fps=60) as (address, _):
        opened(tab, address)
        tab.evaluate("window.pad.axes = [0.9, 0]")
        wait(tab, "action", "RIGHT")
        tab.evaluate("window.pad.buttons[0].pressed = true")  # UP is the jump here
        wait(tab, "action", "RIGHT_UP")
        tab.evaluate("window.pad.buttons[0].pressed = false; window.pad.axes = [0, 0]")
        wait(tab, "status", "waiting for a key")
        tab.evaluate("window.pad.buttons[9].pressed = true")
        wait(tab, "status", "paused")


def test_it_is_reached_by_keyboard_and_says_what_everything_is(tab, scene):
    with running(scene) as (address, _):
        opened(tab, address)
        tab.keyboard.press("?")
        assert tab.locator("#help").is_visible()
        tab.keyboard.press("Escape")
        assert tab.locator("#help").is_hidden()
        tab.keyboard.down("ArrowRight")  # no click was needed, nor is one after the help
        reach(tab, 1)
        tab.keyboard.up("ArrowRight")
        unnamed = tab.evaluate(
            "[...document.querySelectorAll('button, select, input, a, [role=img], [tabindex]')]"
            ".filter(e => !(e.getAttribute('aria-label') || e.labels?.length || e.textContent.trim()))"
            ".map(e => e.outerHTML)"
        )
        assert unnamed == []
        met = set()
        for _ in range(60):
            tab.keyboard.press("Tab")
            met.add(tab.evaluate("document.activeElement.id || document.activeElement.dataset.do || ''"))
        assert {"world", "help-open", "screens", "pause", "time", "seed", "picture"} <= met


@pytest.mark.parametrize(("width", "height"), [(390, 844), (360, 640)])
def test_it_fits_a_phone(open_tab, scene, width, height):
    tab = open_tab(viewport={"width": width, "height": height}, has_touch=True, is_mobile=True, device_scale_factor=3)
    with running(scene, fps=60) as (address, _):
        opened(tab, address)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        pad = tab.locator("#pad").bounding_box()
        assert pad["y"] + pad["height"] <= height  # the buttons are in reach without scrolling
        screen = tab.locator("#dream .glass").bounding_box()
        assert screen["width"] >= min(width * 0.8, height * 0.28)
        scale = screen["width"] * 3 / 64
        assert abs(scale - round(scale)) < 0.01  # every dreamed pixel is a square of whole pixels
        tab.locator('#pad [data-piece="RIGHT"]').tap()
        wait(tab, "action", "RIGHT")


def test_it_is_large_on_a_large_screen_and_says_when_the_program_ends(open_tab, scene):
    tab = open_tab(viewport={"width": 1600, "height": 1000})
    with running(scene) as (address, _):
        opened(tab, address)
        screen = tab.locator("#dream .glass").bounding_box()
        assert screen["width"] >= 576
        assert screen["width"] % 64 == 0
        colours = []
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            colours.append(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert colours[0] != colours[1]
    wait(tab, "status", "the program has ended, or the connection is lost: trying again")
    tab.close()
