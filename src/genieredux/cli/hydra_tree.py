"""Hydra over the packaged tree of a verb and the user's folder of the same form, every file read by `plain_yaml`.

Knows which files are chosen; what their keys mean is unknown here.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from genieredux.cli import plain_yaml
from genieredux.errors import UserError


class OwnFiles(ConfigSource):
    """A folder of the user's, named relative to where the command is run, whatever is in its own name."""

    @staticmethod
    def scheme() -> str:
        return "own"

    def _file(self, config_path: str) -> Path:
        return Path(self.path) / self._normalize_file_name(config_path)

    def load_config(self, config_path: str) -> ConfigResult:
        file = self._file(config_path)
        if not file.exists():
            raise ConfigLoadError(f"{file} is not there")
        values = plain_yaml.load(file)
        header = self._get_header_dict(file.read_text(encoding="utf-8-sig")[:512])
        return ConfigResult(self.provider, f"own://{self.path}", OmegaConf.create(values), header)

    def available(self) -> bool:
        return self.is_group("")

    def is_group(self, config_path: str) -> bool:
        return (Path(self.path) / config_path).is_dir()

    def is_config(self, config_path: str) -> bool:
        return self._file(config_path).is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        names: list[str] = []
        for name in os.listdir(Path(self.path) / config_path):
            self._list_add_result(names, str(Path(config_path) / name), name, results_filter)
        return sorted(set(names))


def compose_tree(verb: str, chosen: Mapping[str, str], without_config: bool = False) -> Any:
    """The configuration of `main.yaml` with the chosen files, not resolved. Raises UserError for what is wrong in one.

    chosen: group -> name. without_config: no file of the group `config`.
    """
    Plugins.instance().register(OwnFiles)
    own = Path("configs") / verb
    places = ["pkg://genieredux.configs", *([f"own://{own}"] if own.is_dir() else [])]
    overrides = [
        f"hydra.searchpath=[{','.join(places)}]",
        *(f"{group}={_quoted(name)}" for group, name in chosen.items()),
    ]
    overrides += ["~config"] if without_config else []
    GlobalHydra.instance().clear()
    try:
        with initialize_config_module(f"genieredux.configs.{verb}", version_base="1.3"):
            tree = compose("main", overrides=overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"configuration: {first_line(error)}") from error
    except RecursionError as error:
        raise UserError(f"configuration: files of {own} build on each other in a circle (defaults:)") from error
    OmegaConf.set_struct(tree, False)
    return tree


def first_line(error: BaseException) -> str:
    """What Hydra says, or what lies below it where it says nothing."""
    lines = [line for one in (error, error.__context__) for line in str(one or "").splitlines() if line.strip()]
    return lines[0] if lines else f"a value cannot be read ({type(error).__name__})"


def _quoted(name: str) -> str:
    """A name that Hydra's grammar takes as it is."""
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"
