"""What concerns the true frames of a test set and the tokenizer alone, and need not be computed for every evaluation.

It is kept in a file whose name says of which frames and of which tokenizer it is, by content, so that it never passes
for another's.
"""

import io
import logging
import zipfile
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from genieredux.evaluation.clips import Clips
from genieredux.runs.files import write_bytes

log = logging.getLogger(__name__)
VERSION = "1"  # grows when a number is computed in another way


@dataclass(frozen=True)
class TrueNumbers:
    """Of N clips of T frames, H of them predicted: tokens int32 (N, T, h, w) of the true frames; psnr (dB, infinite
    where exact) and ssim, float32 (N, H), of the rows that need no dynamics.
    """

    tokens: np.ndarray
    psnr: dict[str, np.ndarray]
    ssim: dict[str, np.ndarray]

    def rows(self, start: int, stop: int) -> "TrueNumbers":
        """Of clips start..stop-1."""
        return TrueNumbers(
            self.tokens[start:stop],
            {name: values[start:stop] for name, values in self.psnr.items()},
            {name: values[start:stop] for name, values in self.ssim.items()},
        )

    @classmethod
    def join(cls, parts: list["TrueNumbers"]) -> "TrueNumbers":
        """Of all parts, one after the other."""
        return cls(
            np.concatenate([part.tokens for part in parts]),
            {name: np.concatenate([part.psnr[name] for part in parts]) for name in parts[0].psnr},
            {name: np.concatenate([part.ssim[name] for part in parts]) for name in parts[0].ssim},
        )


class TruthCache:
    """`TrueNumbers` in files below a folder. tokenizer: names weights and precision."""

    def __init__(self, folder: Path, tokenizer: str) -> None:
        self._folder = folder
        self._tokenizer = tokenizer

    def get(self, clips: Clips, length: int, prompt_frames: int) -> TrueNumbers | None:
        """What is known of these clips, or None. A damaged file counts as none."""
        path = self._path(clips, length, prompt_frames)
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as held:
                return TrueNumbers(
                    held["tokens"],
                    {key.removeprefix("psnr."): held[key] for key in held if key.startswith("psnr.")},
                    {key.removeprefix("ssim."): held[key] for key in held if key.startswith("ssim.")},
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            log.warning("%s is damaged and is made again", path)
            return None

    def put(self, clips: Clips, length: int, prompt_frames: int, found: TrueNumbers) -> None:
        """Keep it."""
        arrays = {"tokens": found.tokens}
        arrays |= {f"psnr.{name}": values for name, values in found.psnr.items()}
        arrays |= {f"ssim.{name}": values for name, values in found.ssim.items()}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        content = buffer.getbuffer()
        write_bytes(self._path(clips, length, prompt_frames), content)

    def _path(self, clips: Clips, length: int, prompt_frames: int) -> Path:
        said = "|".join([VERSION, self._tokenizer, str(length), str(prompt_frames), *clips.hashes(length)])
        return self._folder / f"truth-{blake2b(said.encode(), digest_size=16).hexdigest()}.npz"
