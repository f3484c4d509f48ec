"""What every page has in common: templates that escape all values, styles and script inside, and a strict policy.

Whatever came from a file is text: jinja escapes it, the charts escape it, and the page's policy lets no script run but
the page's own, which is named by its hash.
"""

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

from genieredux.pictures import base_css

_LARGE = 1e9
"""From here on a number is written with a power of ten."""


def render_page(name: str, values: Mapping[str, Any], more_css: str = "") -> str:
    """The page `name` of templates/ with these values; the same bytes for the same values.

    more_css: rules of the page's pictures, made here and never from a file's text.
    """
    script = _asset(f"{name}.js")
    return (
        _templates()
        .get_template(f"{name}.html.j2")
        .render(
            **values,
            css=Markup(base_css() + _asset("page.css") + _asset(f"{name}.css") + more_css),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def to_yaml(values: Mapping[str, Any]) -> str:
    """Plain values for a reader; "" for none."""
    plain = json.loads(json.dumps(dict(values), default=str))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).strip() if plain else ""


def finite(value: object) -> bool:
    """A number that can be shown."""
    return isinstance(value, int | float) and math.isfinite(value)


def number(value: float | None, digits: int, signed: bool = False) -> str:
    """A number for a table; a dash for what is not one."""
    if value is None or not math.isfinite(value):
        return "–"
    sign = "+" if signed else ""
    text = f"{value:{sign}.{digits}f}" if abs(value) < _LARGE else f"{value:{sign}.3g}"
    return (text.lstrip("-+") if not float(text) else text).replace("-", "−")


def interval(estimate: Any, digits: int, signed: bool = False) -> str:
    """`low to high` of {mean, low, high}, or nothing where there is no interval."""
    if not (finite(estimate.low) and finite(estimate.high)):
        return ""
    return f"{number(estimate.low, digits, signed)} to {number(estimate.high, digits, signed)}"


def spread(estimate: Any, digits: int) -> str:
    """`± half the width of the interval`, or nothing."""
    if not (finite(estimate.low) and finite(estimate.high)):
        return ""
    return f"± {number((estimate.high - estimate.low) / 2, digits)}"


def counted(number: int, thing: str) -> str:
    """`1 game`, `1,234 games`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "interval": interval, "spread": spread, "counted": counted}
    return environment


def _asset(name: str) -> str:
    return (files("genieredux.report") / "templates" / name).read_text(encoding="utf-8")
