"""benchmarks/gpu.py at its small size, from end to end, on whatever device there is."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def gpu():
    spec = importlib.util.spec_from_file_location("benchmark_gpu", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_everything_is_measured_saved_and_not_measured_again(gpu, tmp_path, capsys):
    pytest.importorskip("procgen")
    words = ["--small", "--no-compile", "--minutes", "30", "--root", str(tmp_path)]
    assert gpu.main(words) == 0, capsys.readouterr().out
    whole = json.loads((tmp_path / "gpu.json").read_text())
    measured = whole["measured"]
    assert not whole["failed"]
    for kind in gpu.KINDS:
        for clips in (1, 2):
            steps = measured[f"train/{kind}/{clips}/plain"]
            assert steps["fits"]
            assert steps["clips"] == clips
            assert steps["step_s"] > 0
            assert steps["mfu"] > 0
    assert measured["train/tokenizer/2/plain"]["tflop_per_step"] == pytest.approx(
        2 * measured["train/tokenizer/1/plain"]["tflop_per_step"]
    )
    assert measured["dream/2"]["frames_per_s"] > 0
    assert measured["one_go/1"]["frames_per_s"] > 0
    assert measured["world"]["updates"] == 3
    assert "test.random" in measured["world"]["gain"]
    weights = torch.load(tmp_path / "coinrun.pt", weights_only=True, map_location="cpu")
    assert weights
    assert (tmp_path / "coinrun.pt").stat().st_size < gpu.MAX_WEIGHTS
    capsys.readouterr()
    assert gpu.main(words) == 0
    assert " ..." not in capsys.readouterr().out  # nothing was taken again
    assert json.loads((tmp_path / "gpu.json").read_text())["measured"] == measured


def test_what_fails_is_written_down_and_the_rest_goes_on(gpu, tmp_path):
    def broken():
        raise RuntimeError("the first line\nthe second")

    record = gpu.Record(tmp_path / "gpu.json", {"device": "a"})
    assert record.take("one", broken) is None
    assert record.take("two", lambda: 2) == 2
    whole = json.loads((tmp_path / "gpu.json").read_text())
    assert whole["measured"] == {"two": 2}
    assert "the first line" in whole["failed"]["one"]
    again = gpu.Record(tmp_path / "gpu.json", {"device": "a"})
    assert again.take("one", lambda: 1) == 1  # what failed is tried again
    assert json.loads((tmp_path / "gpu.json").read_text())["failed"] == {}
    with pytest.raises(SystemExit, match="another --root"):
        gpu.Record(tmp_path / "gpu.json", {"device": "b"})


def test_a_batch_too_large_for_memory_ends_the_sweep(gpu, tmp_path, monkeypatch):
    def steps(kind, size, device, clips, compiled):
        if clips > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return {"clips": clips}

    monkeypatch.setattr(gpu, "train_steps", steps)
    record = gpu.Record(tmp_path / "gpu.json", {})
    gpu.measure_steps(record, gpu.FULL, torch.device("cpu"), float("inf"), False)
    assert not record.failed
    assert [name for name, taken in record.measured.items() if not taken["fits"]] == [
        f"train/{kind}/4/plain" for kind in gpu.KINDS
    ]
    assert not any("/8/" in name for name in record.measured)
