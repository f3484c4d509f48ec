"""A data set in Minari's format, written through the library itself (the extra `minari`).

`MINARI_DATASETS_PATH=<out>` and `minari.load_dataset("genieredux/<name>-v0")` read it. Minari aligns as this project
does: T observations, T-1 actions. It keeps pictures (H, W, 3) as lossy JPEG, so observations are (3, H, W), which it
keeps to the bit; rewards, ends and ground truth go along.
"""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np

from genieredux.episodes.alignment import num_actions
from genieredux.episodes.interchange.splits import Progress
from genieredux.episodes.reader import Dataset
from genieredux.episodes.schema import Episode
from genieredux.errors import UserError

_DATA_FORMAT = "parquet"
_OWN_FACTS = ("seed", "terminated", "truncated")  # which Minari has itself


def write_minari(dataset: Dataset, folder: Path, progress: Progress | None = None) -> None:
    """Fills `folder` with the data set `minari_id(...)`. progress: in episodes.

    Raises UserError where the library lacks or the data set has no actions.
    """
    minari = _library()
    if not dataset.spec.has_actions:
        raise UserError(f"{dataset.path}: Minari wants an action at every step, and this data set has none; use mp4")
    from minari.dataset.minari_storage import MinariStorage

    size = dataset.spec.image_size
    place = folder / minari_id(dataset.spec.name) / "data"
    place.parent.mkdir(parents=True)
    storage = MinariStorage.new(
        place,
        observation_space=gymnasium.spaces.Box(0, 255, (3, size, size), np.uint8),
        action_space=gymnasium.spaces.Discrete(len(dataset.spec.action_names)),
        data_format=_DATA_FORMAT,
    )
    # The storage walks over all its files after every episode to know their size; once at the end is enough.
    setattr(storage, "get_size", float)  # noqa: B010
    for i in range(len(dataset)):
        episode = dataset.episode(i)
        storage.update_episodes([_buffer(minari, i, episode)])
        facts = {name: value for name, value in episode.labels.items() if name not in _OWN_FACTS}
        storage.update_episode_metadata([{"episode": episode.id, **facts}], [i])
        if progress:
            progress(i + 1, len(dataset))
    delattr(storage, "get_size")
    storage.update_metadata(
        {
            "dataset_id": minari_id(dataset.spec.name),
            "minari_version": minari.__version__,
            "dataset_size": float(storage.get_size()),
            "algorithm_name": ", ".join(sorted(set(dataset.index["policy"].to_pylist()))),
            "description": f"The GenieRedux data set {dataset.spec.name}; observations are RGB (3, H, W).",
            "action_names": list(dataset.spec.action_names),
        }
    )


def minari_id(name: str) -> str:
    """What `minari.load_dataset` takes for a data set of this name."""
    return f"genieredux/{re.sub(r'[^A-Za-z0-9_-]+', '_', name).strip('-')}-v0"


def _buffer(minari: ModuleType, number: int, episode: Episode) -> Any:
    steps = num_actions(len(episode))
    ends = np.zeros((2, steps), np.bool_)
    if steps:
        ends[:, -1] = episode.terminated, episode.truncated
    return minari.data_collector.EpisodeBuffer(
        id=number,
        seed=episode.seed,
        observations=np.ascontiguousarray(episode.frames.transpose(0, 3, 1, 2)),
        actions=episode.actions,
        rewards=episode.rewards,
        terminations=ends[0],
        truncations=ends[1],
        infos={key: values.tolist() for key, values in episode.info.items()},
    )


def _library() -> ModuleType:
    try:
        import minari
        import minari.data_collector
    except ImportError as error:
        raise UserError(f'Minari is not installed ({error}); pip install "genieredux[minari]"') from error
    return minari
