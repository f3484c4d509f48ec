"""Features of true frames, kept, so that a second evaluation on the same clips does not compute them again.

They lie in the user's cache, not in the data set, which may be read-only or far away. The key is a hash of the frames
themselves and of the network, so another selection of clips, another data set or another preprocessing is another key.
"""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from genieredux.evaluation.networks.files import cache_folder
from genieredux.runs.files import write_bytes

log = logging.getLogger(__name__)


class StatisticsCache:
    """folder: where files go; None: `statistics/` in the user's metric cache. Making one touches no disk."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder() / "statistics"

    def path(self, frames: np.ndarray, network_id: str) -> Path:
        """Where the features of these frames by this network lie."""
        return self.folder / f"{content_key(frames, network_id)}.safetensors"

    def features(self, frames: np.ndarray, network_id: str, compute: Callable[[], Tensor]) -> Tensor:
        """The features of `frames`, read where they were computed before, else `compute()` and kept.

        frames: uint8, any shape, the true frames that `compute` looks at; network_id: the `id` of the network. A file
        that is damaged is computed again.
        """
        path = self.path(frames, network_id)
        try:
            return load_file(path)["features"]
        except FileNotFoundError:
            pass
        except (OSError, SafetensorError, KeyError) as error:
            log.warning("%s: not readable (%s), computing it again", path, error)
        features = compute().detach().cpu()
        write_bytes(path, save({"features": features.contiguous()}, metadata={"network": network_id}))
        return features


def content_key(frames: np.ndarray, network_id: str) -> str:
    """A hex key of what is in `frames` (bytes, dtype, shape) and of the network."""
    head = json.dumps([network_id, str(frames.dtype), list(frames.shape)])
    digest = hashlib.blake2b(head.encode(), digest_size=16)
    digest.update(np.ascontiguousarray(frames).data)
    return digest.hexdigest()
