"""The notebook runs from top to bottom, as it does where a person opens it."""

import json
from pathlib import Path

import numpy as np
import pytest

from pages import ROOT

NOTEBOOK = ROOT / "docs/notebooks/dream.ipynb"


def test_it_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(code) == 8
    names: dict[str, object] = {}
    for number, text in enumerate(code, 1):
        exec(compile(text, f"{NOTEBOOK.name}, cell {number}", "exec"), names)
    frames = names["frames"]
    assert isinstance(frames, list)
    assert len(frames) == 13
    assert not (frames[0] == frames[-1]).all()
    assert np.all(np.asarray(names["earned"]) > 0)


def test_it_is_kept_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
