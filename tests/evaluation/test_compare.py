import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genieredux.errors import UserError
from genieredux.evaluation import EvalConfig, evaluate
from genieredux.evaluation.bootstrap import EpisodeBootstrap
from genieredux.evaluation.clips import Origin
from genieredux.evaluation.compare import compare
from genieredux.evaluation.numbers import read_parquet, write_frames_csv, write_parquet
from genieredux.models.world.fake import FakeWorld

CONFIG = EvalConfig(batch_size=5, resamples=100)


def numbers(world, sets, config=CONFIG):
    return {name: result.numbers for name, result in evaluate(world, sets, config).sets.items()}


def test_numbers_of_clips_come_back_from_the_file(make_clips, tmp_path: Path):
    world = FakeWorld(noise=0.2)
    found = numbers(world, {"a": make_clips(), "b": make_clips(seed=2, episodes=1)})
    path = write_parquet(tmp_path / "clips.parquet", found, world.action_names)
    back = read_parquet(path)
    assert list(back) == ["a", "b"]
    for name, one in found.items():
        assert back[name].origins == one.origins
        assert back[name].hashes == one.hashes
        assert (back[name].actions == one.actions).all()
        for metric, rows in one.values.items():
            for row, values in rows.items():
                np.testing.assert_array_equal(back[name].values[metric][row], values)
    with pytest.raises(UserError, match="no numbers of clips"):
        read_parquet(tmp_path / "nothing.parquet")
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index("tags"), "tags", table["clip"]), path)
    with pytest.raises(UserError, match="damaged"):
        read_parquet(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="damaged"):
        read_parquet(path)


@pytest.mark.parametrize(
    ("column", "spoiled"),
    [
        ("psnr.model", lambda table: pa.array([1.0] * len(table))),
        ("psnr.model", lambda table: pa.array([[1.0]] * len(table))),
        ("psnr.model", lambda table: pa.array([[[1.0]]] * len(table))),
        ("psnr.model", lambda table: pa.array([["x"] * 10] * len(table))),
        ("action", lambda table: pa.array([1] * len(table))),
        ("start", lambda table: pa.array(["x"] * len(table))),
        ("episode", lambda table: pa.nulls(len(table), pa.string())),
        ("tags", lambda table: pa.array([1] * len(table))),
    ],
)
def test_columns_that_are_not_a_number_a_clip_and_horizon_are_damage(make_clips, tmp_path: Path, column, spoiled):
    world = FakeWorld(noise=0.2)
    path = write_parquet(tmp_path / "clips.parquet", numbers(world, {"a": make_clips()}), world.action_names)
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(column), column, spoiled(table)), path)
    with pytest.raises(UserError, match=r"clips.parquet: damaged \(.*; evaluate again"):
        read_parquet(path)


def test_the_csv_has_a_line_per_frame(make_clips, tmp_path: Path):
    world = FakeWorld()
    found = numbers(world, {"a": make_clips(episodes=1)})
    lines = write_frames_csv(tmp_path / "clips.csv", found, world.action_names).read_text().splitlines()
    assert len(lines) == 1 + 2 * 10
    header, first = (line.split(",") for line in lines[:2])
    row = dict(zip(header, first, strict=True))
    assert row["horizon"] == "1"
    assert row["action"] in world.action_names
    assert float(row["psnr.model"]) == pytest.approx(found["a"].values["psnr"]["model"][0, 0], rel=1e-5)
    assert row["delta_psnr.last_action"] == ""  # measured at horizon 4 alone


def test_no_cell_of_a_table_begins_a_formula(make_clips, tmp_path: Path):
    """Names of episodes, games, policies and actions are whatever a data set says."""
    clips = make_clips(episodes=1)
    words = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "half \ud800 a character")
    origins = tuple(Origin(word, 0, word, word, (word,), word) for word in words)[: len(clips)]
    found = numbers(FakeWorld(), {"=test": replace(clips, origins=origins)})
    for row in csv.reader(write_frames_csv(tmp_path / "clips.csv", found, words).open(newline="")):
        assert not [cell for cell in row if cell.startswith(("=", "+", "@", "\t", "\r"))]
        assert not [cell for cell in row if cell.startswith("-") and not re.fullmatch(r"-[\d.e+-]+", cell)]


def test_pairs_tell_apart_what_two_intervals_cannot(make_clips):
    sets = {"a": make_clips(episodes=8, per_episode=2)}
    better, worse = numbers(FakeWorld(noise=0.1), sets), numbers(FakeWorld(noise=0.13), sets)
    found = compare(worse, better, resamples=500)["a"]
    gain = found.differences["psnr"]["model"].average
    assert gain.low > 0
    assert (found.clips, found.episodes, found.only_first, found.only_second) == (16, 8, 0, 0)
    assert (found.differences["psnr"]["repeat_last"].by_horizon.mean == 0).all()
    back = compare(better, worse, resamples=500)["a"].differences["psnr"]["model"].average
    assert back.mean == pytest.approx(-gain.mean)
    nothing = compare(better, better, resamples=50)["a"].differences
    assert all((one.by_horizon.high == 0).all() for one in nothing["psnr"].values())
    json.dumps(found.to_json(), allow_nan=False)


def test_only_common_clips_are_compared_and_none_is_an_error(make_clips):
    clips = make_clips(episodes=4)
    world = FakeWorld(noise=0.1)
    part = {"a": type(clips)(clips.frames[::-1][:5].copy(), clips.actions[::-1][:5], clips.episodes[::-1][:5])}
    found = compare(numbers(world, {"a": clips}), numbers(world, part), resamples=50)["a"]
    assert (found.clips, found.only_first, found.only_second) == (5, 3, 0)
    with pytest.raises(UserError, match="no clip in common"):
        compare(numbers(world, {"a": clips}), numbers(world, {"a": make_clips(seed=9)}))
    with pytest.raises(UserError, match="no clip in common"):
        compare(numbers(world, {"a": clips}), numbers(world, {"b": clips}))


def test_clips_are_paired_by_their_content_whatever_their_order(make_clips):
    sets = {"a": make_clips(episodes=8, per_episode=2)}
    worse, better = numbers(FakeWorld(noise=0.2), sets), numbers(FakeWorld(noise=0.1), sets)
    turned = {"a": better["a"].take(np.arange(16)[::-1].copy())}
    one, other = (
        compare(worse, second, resamples=200)["a"].differences["psnr"]["model"] for second in (better, turned)
    )
    np.testing.assert_allclose(one.by_horizon.low, other.by_horizon.low)
    np.testing.assert_allclose(one.by_horizon.high, other.by_horizon.high)


def test_the_interval_is_that_of_the_gaps_by_episode_where_both_measured(make_clips):
    sets = {"a": make_clips(episodes=4, per_episode=2)}
    first, second = numbers(FakeWorld(noise=0.2), sets), numbers(FakeWorld(noise=0.1), sets)
    gap = second["a"].values["psnr"]["model"] - first["a"].values["psnr"]["model"]
    expected = EpisodeBootstrap(first["a"].episodes, 300, 0.8, 5).estimate(gap)
    found = compare(first, second, 300, 0.8, 5)["a"].differences["psnr"]["model"].by_horizon
    for one, other in ((found.mean, expected.mean), (found.low, expected.low), (found.high, expected.high)):
        np.testing.assert_allclose(one, other)
    second["a"].values["psnr"]["model"][3, 0] = np.nan
    first["a"].values["psnr"]["model"][5, 0] = np.nan
    left = compare(first, second, 300, 0.8, 5)["a"].differences["psnr"]["model"]
    assert left.by_horizon.mean[0] == pytest.approx(np.delete(gap[:, 0], [3, 5]).mean())
    np.testing.assert_allclose(left.by_horizon.mean[1:], expected.mean[1:])
    assert left.average.mean == pytest.approx((gap.sum() - gap[[3, 5], 0].sum()) / (gap.size - 2))


def test_a_ratio_s_difference_is_over_what_the_first_is_relative_to(make_clips):
    sets = {"a": make_clips(episodes=4)}
    first, second = numbers(FakeWorld(noise=0.2), sets), numbers(FakeWorld(noise=0.1), sets)
    a, b, found = first["a"], second["a"], compare(first, second, resamples=20)["a"].differences
    assert a.relative
    for metric, base in a.relative.items():
        for row, difference in found[metric].items():
            expected = (b.values[metric][row] - a.values[metric][row]).sum() / a.values[metric][base].sum()
            assert difference.average.mean == pytest.approx(expected, rel=1e-5, abs=1e-9)
