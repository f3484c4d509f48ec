from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genieredux.pictures.charts import Line, bars, histogram, legend, line_chart

numbers = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(st.integers(0, 100_000), numbers), min_size=1, max_size=400))
def test_any_curve_is_a_picture_whose_ink_stays_inside(points):
    x, y = zip(*sorted(points), strict=True)
    svg = ElementTree.fromstring(line_chart([Line("a <b> & c", x, y)], "step", "loss", zero=True))
    _, _, width, height = map(float, svg.get("viewBox").split())
    for circle in svg.iter("circle"):
        assert 0 <= float(circle.get("cx")) <= width
        assert 0 <= float(circle.get("cy")) <= height


def test_intervals_are_shaded_and_dots_tell_values():
    line = Line("model", (1, 2, 3), (20.0, 19.0, 18.5), (19.0, 18.0, 18.0), (21.0, 20.0, 19.0))
    svg = line_chart([line], "frames", "PSNR, dB")
    assert 'class="area tone-0"' in svg
    assert "model at 2: 19.000" in svg


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_left_out(bad):
    svg = line_chart([Line("a", (1, 2, 3), (1.0, bad, 2.0))], "x", "y")
    assert "nan" not in svg
    assert "inf" not in svg
    assert svg.count("<circle") == 2
    assert line_chart([Line("a", (1,), (bad,))], "x", "y") == ""


def test_names_are_escaped():
    assert "<b>" not in legend([Line("<b>", (1,), (1,))]) + bars({"<b>": 3.0}, "{} <i>".format)


def test_bars_and_histograms_hold_their_numbers():
    svg = histogram([3, 0, 12], [0, 10, 20, 30], "frames")
    assert svg.count("<rect") == 3
    assert "10 to 20: 0" in svg
    assert ">12</text>" in svg
    assert "0 to 11: 5" in histogram([5, 1], [0, 10.6, 21.2], "frames")  # bins of whole things
    assert "width:50.0%" in bars({"a": 2.0, "b": 4.0})
    assert "&lt;a&gt;" in bars({"<a>": 0.0})
