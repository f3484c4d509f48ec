"""wandb: files offline, one run a folder, and no failure that ends a training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genieredux.runs import RunFolder
from genieredux.training.loop import wandb_log
from genieredux.training.loop.wandb_log import WandbLog

pytest.importorskip("wandb")


@pytest.mark.slow
def test_offline_leaves_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = RunFolder(tmp_path / "run").begin({"a": 1})
    log = WandbLog(run, "offline", "test")
    log.write("train", 1, {"loss": 0.5})
    log.picture("strip", 1, np.zeros((8, 8, 3), np.uint8))
    log.close()
    assert "wandb failed" not in caplog.text
    assert list((run.path / "wandb").glob("offline-run-*/*.wandb"))
    assert list((run.path / "wandb").glob("offline-run-*/files/media/images/media/strip*.png"))
    identity = (run.path / "wandb_id.txt").read_text()
    assert all(identity.strip() in path.name for path in (run.path / "wandb").glob("offline-run-*"))


class Breaking:
    """A wandb of which every part fails as the network does."""

    Settings = dict

    def __init__(self, works_until: str) -> None:
        self.works_until = works_until
        self.logged = 0

    def init(self, **settings: Any) -> "Breaking":
        if self.works_until == "init":
            raise TimeoutError("no network")
        return self

    def log(self, values: dict[str, Any]) -> None:
        self.logged += 1
        raise ConnectionResetError("gone")

    def finish(self) -> None:
        raise RuntimeError("gone")


@pytest.mark.parametrize("at", ["init", "log"])
def test_what_fails_there_is_said_once_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, at: str
) -> None:
    broken = Breaking(at)
    monkeypatch.setitem(__import__("sys").modules, "wandb", broken)
    log = WandbLog(RunFolder(tmp_path), "online", "test")
    for step in range(3):
        log.write("train", step, {"loss": 1.0})
    log.close()
    assert caplog.text.count("the run goes on without it") == 1
    assert broken.logged == (1 if at == "log" else 0)


def test_the_timeout_is_short() -> None:
    assert wandb_log.INIT_TIMEOUT_S <= 60
