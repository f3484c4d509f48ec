"""The examples of docs/data.md do what the page says."""

import re
from pathlib import Path

import numpy as np
import pytest

from genieredux.episodes import Dataset, DatasetSpec, DatasetWriter
from genieredux.episodes.compact import compact
from genieredux.episodes.fake import ACTION_NAMES, fake_episode
from genieredux.episodes.interchange.action_files import read_actions

PAGE = (Path(__file__).resolve().parents[3] / "docs/data.md").read_text()


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("compacted", [False, True])
def test_an_episode_is_read_without_this_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compacted: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    with DatasetWriter("datasets/mygame", DatasetSpec("mygame", 16, ACTION_NAMES)) as writer:
        for seed, length in enumerate((37, 16, 5)):
            writer.append(fake_episode(length, seed))
    if compacted:
        compact("datasets/mygame")
    plain, ours = examples("python")
    assert "genieredux" not in plain
    found: dict = {}
    exec(plain, found)
    episode = Dataset.open("datasets/mygame").episode(0)
    assert np.array_equal(found["frames"], episode.frames)
    assert found["actions"] == episode.actions.tolist()
    assert found["rewards"] == episode.rewards.tolist()
    exec(ours, found)
    assert found["episode"].same_as(episode)
    assert np.array_equal(found["clip"].actions, episode.actions[:4])


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_the_action_files_mean_what_the_page_says(tmp_path: Path, suffix: str) -> None:
    (example,) = examples(suffix)
    (tmp_path / f"actions.{suffix}").write_text(example)
    table = read_actions(tmp_path / f"actions.{suffix}", ["level1.mp4"])
    assert [table.names[k] for k in table.actions["level1.mp4"]] == ["RIGHT", "RIGHT", "ACTION_JUMP"]
    table.check("level1.mp4", 4)
