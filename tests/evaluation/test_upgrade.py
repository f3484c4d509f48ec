"""results.json of before, in the form of today: the same numbers in other places."""

import copy

import pytest

from genieredux.evaluation.upgrade import VERSION, upgrade

ESTIMATE = {"mean": [1.0, 3.0], "low": [0.0, 2.0], "high": [2.0, 4.0]}
SCALAR = {"mean": 2.0, "low": 1.0, "high": 3.0}
BOUNDS = {"low": [0.0, 2.0], "high": [2.0, 4.0]}
BEFORE = {
    "test.random": {
        "clips": 4,
        "episodes": 2,
        "interval": 0.95,
        "compare_at": 2,
        "psnr": {"model": [20.0, 18.0]},
        "psnr_interval": {"model": BOUNDS},
        "ssim": {"model": [0.5, 0.7]},
        "ssim_interval": {"model": BOUNDS},
        "gain": {"repeat_last": {**ESTIMATE, "average": SCALAR}},
        "delta_psnr": {"last_action": SCALAR},
        "delta_psnr_by_horizon": {"last_action": {"horizon": [2], "mean": [2.0], "low": [1.0], "high": [3.0]}},
        "psnr_cap_db": 60.0,
        "capped_frames": {"model": 1},
        "metrics": {"ST-LPIPS (alex)": {"model": ESTIMATE}},
        "action_confusion": {},
        "frechet": {"FID": {"rows": {"model": {"all": 9.0}}, "floor": 1.0, "samples": 8}},
        "breakdown": {"game": {}},
        "calibration": {"clips": 4},
        "sampling_seeds": {"seeds": [0], "psnr": [19.0], "gain": [2.0], "spread": {"psnr": None, "gain": None}},
        "drift": {
            **dict.fromkeys(("clips", "episodes", "interval", "frames", "half_sharp_from", "smoothed"), 1),
            "better": {"repeat_last": None},
            **{key: {"model": ESTIMATE} for key in ("psnr", "ssim", "gain", "entropy", "sharpness")},
        },
    },
    "made_by": {
        "config": {"eval": {"seed": 3}, "sampling": {"steps": 8}},
        "networks": {"FID": {"id": "x"}},
        "model": {"file": "a.pt"},
    },
}


def test_every_number_of_before_is_found_again() -> None:
    before = copy.deepcopy(BEFORE)
    found = upgrade(BEFORE)
    assert before == BEFORE  # it is not changed
    assert found["version"] == VERSION
    assert found["made_by"]["config"] == {"seed": 3}
    assert found["made_by"]["sampling"] == {"steps": 8}
    assert found["made_by"]["metrics"] == {"FID": {"id": "x"}}
    one = found["test.random"]
    unknown = {"mean": 19.0, "low": None, "high": None}
    assert one["psnr"] == {"model": {"mean": [20.0, 18.0], **BOUNDS, "average": unknown}}
    assert one["gain"]["repeat_last"]["average"] == SCALAR
    assert one["delta_psnr"]["last_action"]["mean"] == [None, 2.0]
    assert one["delta_psnr"]["last_action"]["high"] == [None, 3.0]
    assert one["delta_psnr"]["last_action"]["average"]["mean"] == 2.0
    assert one["ST-LPIPS (alex)"]["model"]["average"]["mean"] == 2.0
    assert one["FID"] == {"rows": {"model": {"all": 9.0}}, "floor": 1.0, "samples": 8}
    assert one["sampling_seeds"]["means"] == {"psnr": {"model": [19.0]}, "gain": {"repeat_last": [2.0]}}
    assert one["drift"]["mean_step"]["model"]["mean"] == [1.0, 3.0]
    assert set(found["about"]) == {
        "psnr",
        "ssim",
        "gain",
        "delta_psnr",
        "entropy",
        "mean_step",
        "ST-LPIPS (alex)",
        "FID",
    }
    assert found["about"]["FID"]["pooled"]
    assert found["about"]["ST-LPIPS (alex)"]["label"] == "ST-LPIPS (alex)"


def test_a_file_of_today_stays_as_it_is() -> None:
    assert upgrade({"version": 2, "about": {}, "made_by": {}}) == {"version": 2, "about": {}, "made_by": {}}


def test_what_is_no_results_file_is_refused() -> None:
    with pytest.raises(KeyError):
        upgrade({"test": {}})
