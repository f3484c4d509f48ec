"""What lies below a folder, for hints: nearest first, and never a walk over a whole disk."""

import os
from collections.abc import Iterator
from pathlib import Path

MOST_ENTRIES = 20_000


def files_below(folder: Path, most: int = MOST_ENTRIES) -> Iterator[Path]:
    """Files below `folder`, those of the nearest folders first, of `most` entries at the most.

    Linked folders are not followed, and folders that cannot be read are passed over.
    """
    level, left = [folder], most
    while level:
        deeper: list[Path] = []
        for place in level:
            try:
                with os.scandir(place) as entries:
                    for entry in entries:
                        left -= 1
                        if left < 0:
                            return
                        if entry.is_dir(follow_symlinks=False):
                            deeper.append(place / entry.name)
                        elif entry.is_file():
                            yield place / entry.name
            except OSError:
                continue
        level = deeper
