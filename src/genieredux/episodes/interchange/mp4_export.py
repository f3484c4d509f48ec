"""A data set as films: `<id>.mp4` for each episode and `<id>.json` beside it with all that is no picture.

The JSON file has what `data import-videos actions=FOLDER` reads, so the films can come back as a data set.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from genieredux.episodes.interchange.splits import Progress
from genieredux.episodes.reader import Dataset
from genieredux.episodes.schema import DatasetSpec, Episode
from genieredux.errors import UserError
from genieredux.pictures import write_video


def write_films(dataset: Dataset, folder: Path, fps: int, lossless: bool, progress: Progress | None = None) -> None:
    """Fills `folder`. lossless: pictures to the bit (libx264rgb), else yuv420p. progress: in episodes.

    Raises UserError for an odd image size that is not lossless.
    """
    check_size(dataset.spec.image_size, lossless)
    for i in range(len(dataset)):
        episode = dataset.episode(i)
        write_video(folder / f"{episode.id}.mp4", episode.frames, fps, lossless)
        text = json.dumps(describe_film(episode, dataset.spec, fps), indent=1, allow_nan=False)
        (folder / f"{episode.id}.json").write_text(text + "\n", encoding="utf-8")
        if progress:
            progress(i + 1, len(dataset))


def check_size(image_size: int, lossless: bool) -> None:
    """Raises UserError where films of this size can only be lossless."""
    if image_size % 2 and not lossless:
        raise UserError(f"frames are {image_size}x{image_size}, and lossy films need even sides; give lossless=true")


def describe_film(episode: Episode, spec: DatasetSpec, fps: int) -> dict[str, Any]:
    """What stands beside an episode's film. actions[k] (an index into action_names), rewards[k]: between frames k and
    k+1; null where nobody recorded actions. info: values per frame, null for what is no finite number."""
    return {
        "id": episode.id,
        **episode.labels,
        "fps": fps,
        "num_frames": len(episode),
        "action_names": list(spec.action_names) or None,
        "actions": episode.actions.tolist() if spec.has_actions else None,
        "rewards": episode.rewards.tolist(),
        "info": {key: _plain(values) for key, values in episode.info.items()},
        "info_dtypes": {key: values.dtype.name for key, values in episode.info.items()},
    }


def _plain(values: np.ndarray) -> list[Any]:
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in values.tolist()]
