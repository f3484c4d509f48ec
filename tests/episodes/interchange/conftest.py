"""Data sets in the published folder format, made up from episodes whose frames say what must have happened."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genieredux.episodes import Episode
from genieredux.episodes.fake import ACTION_NAMES, fake_episode
from genieredux.pictures import write_video

SIZE = 64

Publish = Callable[..., Path]


def entries_of(episode: Episode, one_hot: bool = True, keys: tuple[str, str] = ("src_id", "tgt_id")) -> list[dict]:
    """actions.json's entries as the published generator writes them: entry 0 leads from nowhere to frame 0."""
    actions = [2, *episode.actions.tolist()]
    return [
        {
            keys[0]: k - 1,
            keys[1]: k,
            "action": np.eye(len(ACTION_NAMES), dtype=int)[action].tolist() if one_hot else action,
            "extras": {"place": int(episode.info["place"][k]), "height": float(episode.info["height"][k]), "who": "me"},
        }
        for k, action in enumerate(actions)
    ]


def publish_session(
    folder: Path,
    episode: Episode,
    film: bool = False,
    bare: bool = False,
    one_hot: bool = True,
    keys: tuple[str, str] = ("src_id", "tgt_id"),
) -> None:
    folder.mkdir(parents=True)
    entries = entries_of(episode, one_hot, keys)
    (folder / "actions.json").write_text(json.dumps(entries if bare else {"actions": entries}))
    if film:
        write_video(folder / "frames.mp4", episode.frames, fps=1, lossless=False)
        return
    (folder / "frames").mkdir()
    for k, frame in enumerate(episode.frames):
        Image.fromarray(frame).save(folder / "frames" / f"{k:06d}.jpg", quality=95)


def publish_leaf(leaf: Path, game: str = "Toy-Nes", **info: object) -> None:
    leaf.mkdir(parents=True, exist_ok=True)
    known = {
        "game": game,
        "config": {"variant": "random"},
        "action_space": [len(ACTION_NAMES)],
        "action_captions": [[name] for name in ACTION_NAMES],
        **info,
    }
    generator = {"n_instances": 1, "n_sessions": 4, "n_steps_max": 20, "output_mode": "frame"}
    values = {"info": known, "name": leaf.name, "version": "0.0.0", "generator_config": generator}
    (leaf / "info.json").write_text(json.dumps(values))


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """publish(lengths, leaves=("toy",), **how): writes a data set and returns its folder; seeds count upwards."""

    def make(lengths: tuple[int, ...] = (9, 20, 5, 7), leaves: tuple[str, ...] = ("toy",), **how: object) -> Path:
        source = tmp_path / "published_v0.0.0"
        seed = 0
        for name in leaves:
            publish_leaf(source / name, game=f"{name.title()}-Nes")
            for number, length in enumerate(lengths):
                episode = fake_episode(length, seed, SIZE)
                publish_session(source / name / "000000" / f"{number:06d}", episode, **how)  # type: ignore[arg-type]
                seed += 1
        return source

    return make
