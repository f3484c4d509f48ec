import json
from pathlib import Path

import numpy as np
import pytest

import genieredux
from genieredux.errors import UserError
from genieredux.models.checkpoint import load_model
from genieredux.models.world.file import shipped_world
from genieredux.play.doubt import Doubt, doubt_beside


def results(bins, repeated=(20.0, 10.0), fingerprint="f"):
    rows = [{"tokens": n, "entropy": e, "mse": {"mean": m}} for e, m, n in bins]
    found = {"bins": rows, "frame": {"psnr": {"pearson": {"mean": -0.3}}}}
    return {
        "made_by": {"model": {"fingerprint": fingerprint}},
        "test": {"calibration": found, "psnr": {"repeat_last": {"mean": list(repeated)}}},
    }


def written(folder: Path, values) -> Path:
    path = folder / "results.json"
    path.write_text(json.dumps(values))
    return path


def test_errors_follow_from_what_was_measured(tmp_path):
    doubt = Doubt.read(written(tmp_path, results([(1.0, 0.01, 100), (3.0, 0.03, 100), (9.9, 5.0, 0)])))
    assert doubt.limit == pytest.approx((0.01 + 0.1) / 2)  # the mean squared error of 20 and of 10 dB
    assert doubt.of(np.array([[1.0, 3.0]], np.float32)) == pytest.approx(0.02)
    assert doubt.of(np.array([[2.0]], np.float32)) == pytest.approx(0.02)
    assert doubt.of(np.array([[0.0, 99.0]], np.float32)) == pytest.approx(0.02)  # no further than was measured
    assert doubt.correlation == -0.3


def test_more_doubt_never_means_less_error(tmp_path):
    bins = [(1.0, 0.02, 300), (2.0, 0.01, 100), (3.0, 0.05, 100), (0.5, 0.0, 100)]
    doubt = Doubt.read(written(tmp_path, results(bins)))
    assert doubt.mse == pytest.approx([0.0, 0.0175, 0.0175, 0.05])


def test_an_entropy_that_is_always_the_same_tells_nothing(tmp_path):
    values = results([(0.0, 0.02, 100)])
    values["test"]["calibration"]["frame"]["psnr"]["pearson"]["mean"] = None
    doubt = Doubt.read(written(tmp_path, values))
    assert doubt.correlation == 0
    assert doubt.of(np.array([[0.0]], np.float32)) == pytest.approx(0.02)


def test_what_holds_no_calibration_says_so(tmp_path):
    for values in ({}, [], {"made_by": {}}, results([]), results([(1.0, float("nan"), 5)]), results([("x", 1, 5)])):
        with pytest.raises(UserError, match="calibration"):
            Doubt.read(written(tmp_path, values))
    with pytest.raises(UserError, match="give the results"):
        Doubt.read(tmp_path / "nothing.json")
    with pytest.raises(UserError, match="measured of another world"):
        Doubt.read(written(tmp_path, results([(1.0, 0.1, 5)])), "g")


def test_shipped_calibrations_are_of_the_worlds_that_ship():
    folder = Path(genieredux.__file__).parent / "worlds"
    measured = sorted(folder.glob("*.calibration.json"))
    assert measured
    for path in measured:
        world = folder / path.name.replace(".calibration.json", ".pt")
        Doubt.read(path, load_model(world).model.fingerprint)
    assert doubt_beside(shipped_world()) is not None
