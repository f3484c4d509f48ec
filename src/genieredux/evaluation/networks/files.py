"""Where weights lie and how they are told apart: the user's cache, the files that packages ship, SHA-256.

Knows no network.
"""

import hashlib
import importlib.util
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from genieredux.errors import UserError
from genieredux.runs import places
from genieredux.runs.files import write_bytes

FORMAT = "genieredux-metric-1"


def cache_folder() -> Path:
    """`$GENIEREDUX_CACHE/metrics`, or `genieredux/metrics` in the user's cache (`$XDG_CACHE_HOME`, `~/.cache`). Nothing
    is created.
    """
    return places.cache_folder("metrics")


def sha256_of(path: Path) -> str:
    """Hex digest of a file. Raises UserError where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); give a weights file") from error


def package_file(package: str, name: str) -> Path | None:
    """The file `name` inside an installed package, found without importing it; None where it is not there."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / name
        if path.is_file():
            return path
    return None


@dataclass(frozen=True)
class Source:
    """A weights file that a package ships. network: what the converted file is called; install: how to get it."""

    network: str
    package: str
    file: str
    sha256: str
    install: str

    @property
    def converted_name(self) -> str:
        """The name of the converted file in the cache."""
        return f"{self.network}.safetensors"

    def find(self) -> Path | None:
        """Where the package's file lies, or None."""
        return package_file(self.package, self.file)

    def check(self, path: Path) -> None:
        """Raise UserError unless `path` is the very file."""
        found = sha256_of(path)
        if found != self.sha256:
            raise UserError(
                f"{path}: SHA-256 begins {found[:8]}, the {self.network} weights begin {self.sha256[:8]}; "
                f"install the right ones: {self.install}"
            )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The state of a network that `torch.save` wrote. Runs no code of the file. Raises UserError for any other."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; give a weights file") from error
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UserError(f"{path}: not a weights file of PyTorch ({reason}); give one") from error
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise UserError(f"{path}: does not hold the tensors of one network; give its state_dict")
    return {str(name): tensor for name, tensor in state.items()}


def write_converted(path: Path, source: Source, tensors: Mapping[str, Tensor]) -> Path:
    """Write tensors as safetensors, whole or not at all, with where they are from. Returns `path`."""
    metadata = {"format": FORMAT, "network": source.network, "source_sha256": source.sha256}
    return write_bytes(path, save({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata=metadata))


def read_converted(path: Path, source: Source) -> dict[str, Tensor]:
    """The tensors of a converted file. Raises UserError where it is missing, damaged, or of another network."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: not readable as safetensors ({error}); convert the weights again") from error
    expected = {"format": FORMAT, "network": source.network, "source_sha256": source.sha256}
    if any(metadata.get(key) != value for key, value in expected.items()):
        raise UserError(
            f"{path}: holds {metadata.get('network', 'weights of unknown origin')}, not {source.network} as this "
            "version reads it; convert the weights again with `genieredux metrics`"
        )
    return tensors


def load_state(network: torch.nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Put tensors into a network. Raises UserError for a missing, extra or misshapen one."""
    wanted = network.state_dict()
    for name, tensor in wanted.items():
        if name not in tensors:
            raise UserError(f"{where}: has no tensor {name}; it is not a weights file of this network")
        if tensors[name].shape != tensor.shape:
            raise UserError(
                f"{where}: {name} is {tuple(tensors[name].shape)}, the network has {tuple(tensor.shape)}; it is "
                "not a weights file of this network"
            )
        if not torch.isfinite(tensors[name]).all():
            raise UserError(f"{where}: {name} has values that are not numbers; the file is damaged")
    extra = sorted(set(tensors) - set(wanted))
    if extra:
        raise UserError(f"{where}: has the unknown tensor {extra[0]}; it is not a weights file of this network")
    network.load_state_dict(dict(tensors))
    network.eval().requires_grad_(False)
