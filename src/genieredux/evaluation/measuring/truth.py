"""What concerns the true frames of a test set and the tokenizer alone, and need not be computed for every evaluation.

It is kept in a file whose name says of which frames and of which tokenizer it is, by content, so that it never passes
for another's.
"""

import io
import logging
import zipfile
from hashlib import blake2b
from pathlib import Path

import numpy as np

from genieredux.evaluation.clips import Clips
from genieredux.evaluation.subjects.drawn import Known
from genieredux.runs.files import write_bytes

log = logging.getLogger(__name__)
VERSION = "2"  # grows when a number is computed in another way


class TruthCache:
    """`Known` numbers in files below a folder. tokenizer: names weights and precision."""

    def __init__(self, folder: Path, tokenizer: str) -> None:
        self._folder = folder
        self._tokenizer = tokenizer

    def get(self, clips: Clips, length: int, prompt_frames: int) -> Known | None:
        """What is known of these clips, or None. A damaged file counts as none."""
        path = self._path(clips, length, prompt_frames)
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as held:
                values: dict[str, dict[str, np.ndarray]] = {}
                for key in (key for key in held if "/" in key):
                    metric, row = key.split("/")
                    values.setdefault(metric, {})[row] = held[key]
                return Known(held["tokens"], values)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            log.warning("%s is damaged and is made again", path)
            return None

    def put(self, clips: Clips, length: int, prompt_frames: int, found: Known) -> None:
        """Keep it."""
        arrays = {f"{metric}/{row}": of for metric, rows in found.values.items() for row, of in rows.items()}
        buffer = io.BytesIO()
        np.savez(buffer, tokens=found.tokens, **arrays)
        content = buffer.getbuffer()
        write_bytes(self._path(clips, length, prompt_frames), content)

    def _path(self, clips: Clips, length: int, prompt_frames: int) -> Path:
        said = "|".join([VERSION, self._tokenizer, str(length), str(prompt_frames), *clips.hashes(length)])
        return self._folder / f"truth-{blake2b(said.encode(), digest_size=16).hexdigest()}.npz"
