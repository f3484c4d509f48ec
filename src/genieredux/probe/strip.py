"""A picture of what the probe saw: per button one state without and with it, and where the two differ."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from genieredux.pictures import write_png
from genieredux.pictures.sheets import FAINT, INK, PAPER, font
from genieredux.probe.compare import Codes, colours
from genieredux.probe.finding import Example, Finding
from genieredux.probe.verdicts import Verdict

_MARK = (255, 80, 160)
_TEXT, _HEAD, _GAP, _LEFT = 14, 50, 6, 190
_WIDTH = 160  # of one picture on the sheet


def write_strip(finding: Finding, path: Path) -> Path:
    """A PNG: a row per button, per look the branch without the button, the one with it, and their difference.

    Raises `UserError` where the file cannot be written.
    """
    return write_png(path, sheet(finding))


def sheet(finding: Finding) -> Image.Image:
    """See `write_strip`. Buttons that never did anything are named in one line at the end."""
    shown = [name for name in finding.buttons if name in finding.examples and finding.buttons[name].word != "none"]
    still = [name for name in finding.buttons if name not in shown]
    tall = max((_height(finding.examples[name]) for name in shown), default=0)
    columns = 3 * max((len(finding.examples[name].looks) for name in shown), default=0)
    size = (max(_LEFT + columns * (_WIDTH + _GAP), 640), _HEAD + len(shown) * (tall + _TEXT + 2 * _GAP) + 30)
    image = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(image)
    motion = finding.motion
    draw.text((_GAP, 8), f"{finding.game}   motion {motion.word} ({motion.confidence:.2f})", INK, font(_TEXT + 4))
    draw.text((_GAP, 30), f"{finding.states} states; without the button, with it, difference", FAINT, font(_TEXT))
    for row, name in enumerate(shown):
        top = _HEAD + row * (tall + _TEXT + 2 * _GAP)
        _describe(draw, top, name, finding.buttons[name])
        _row(image, draw, top, finding.examples[name])
    if still:
        draw.text((_GAP, size[1] - 22), f"no effect: {', '.join(still)}", FAINT, font(_TEXT))
    return image


def _describe(draw: ImageDraw.ImageDraw, top: int, name: str, one: Verdict) -> None:
    draw.text((_GAP, top + _TEXT), name, INK, font(_TEXT + 4))
    lines = [
        f"{one.word} ({one.confidence:.2f})",
        f"{one.states} of {one.of} states",
        f"dx {one.dx:.0f}, dy {one.dy:.0f}",
    ]
    draw.multiline_text((_GAP, top + 3 * _TEXT), "\n".join(lines), FAINT, font(_TEXT))


def _row(image: Image.Image, draw: ImageDraw.ImageDraw, top: int, example: Example) -> None:
    x = _LEFT
    for look, control, pressed in zip(example.looks, example.control, example.pressed, strict=True):
        draw.text((x, top), f"frame {look}", FAINT, font(_TEXT))
        for picture in (colours(control), colours(pressed), _marked(control, pressed)):
            small = Image.fromarray(picture).resize((_WIDTH, _height(example)), Image.Resampling.BOX)
            image.paste(small, (x, top + _TEXT + 2))
            x += _WIDTH + _GAP


def _marked(control: Codes, pressed: Codes) -> NDArray[np.uint8]:
    """The pressed picture, dim, with every differing pixel in one colour."""
    picture: NDArray[np.uint8] = colours(pressed) // np.uint8(3)
    picture[control != pressed] = _MARK
    return picture


def _height(example: Example) -> int:
    height, width = example.control[0].shape
    return round(height * _WIDTH / width)
