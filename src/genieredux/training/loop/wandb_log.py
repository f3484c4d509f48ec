"""Weights & Biases, if it is wanted and works: whatever goes wrong there is said once and the run goes on.

The package is the optional extra `wandb`. Knows no loop.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from genieredux.errors import UserError, reason
from genieredux.runs import RunFolder
from genieredux.runs.files import write_text

logger = logging.getLogger(__name__)

INIT_TIMEOUT_S = 30


def require_wandb(mode: str) -> Any:
    """The package. Raises UserError where it is missing."""
    try:
        import wandb
    except ImportError as error:
        raise UserError(
            f"train.wandb={mode} needs wandb; pip install 'genieredux[wandb]', or train.wandb=disabled"
        ) from error
    return wandb


class WandbLog:
    """One run there for one run folder: going on with the folder goes on with the run."""

    def __init__(self, run: RunFolder, mode: Any, project: str) -> None:
        """mode: "offline" writes <run folder>/wandb (send it with `wandb sync`), "online" sends as it goes.

        Raises UserError where the package is missing.
        """
        wandb = require_wandb(mode)
        self._wandb, self._run = wandb, None
        name = "-".join(run.path.parts[-2:])
        self._run = self._try(
            lambda: wandb.init(
                project=project,
                name=name,
                id=_identity(run),
                resume="allow",
                mode=mode,
                dir=str(run.path),
                config=run.config() if run.config_path.is_file() else None,
                settings=wandb.Settings(init_timeout=INIT_TIMEOUT_S, silent=True),
            )
        )

    def write(self, event: str, step: int, values: Mapping[str, float]) -> None:
        """Numbers of one step, under `event/`."""
        self._log({f"{event}/{name}": value for name, value in values.items()}, step)

    def picture(self, name: str, step: int, pixels: np.ndarray) -> None:
        """uint8 (H, W, 3) or, a film, (T, H, W, 3)."""
        made = self._try(lambda: self._wandb.Image(pixels if pixels.ndim == 3 else np.concatenate(pixels, 1)))
        if made is not None:
            self._log({f"media/{name}": made}, step)

    def close(self) -> None:
        """Finish what is to be sent."""
        if self._run is not None:
            run = self._run
            self._try(lambda: run.finish())

    def _log(self, values: dict[str, Any], step: int) -> None:
        if self._run is not None:
            run = self._run
            self._try(lambda: run.log({**values, "step": step}))

    def _try(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except Exception as error:  # noqa: BLE001 - another program's log must never end hours of training
            logger.warning("wandb failed (%s); the run goes on without it", reason(error))
            self._run = None
            return None


def _identity(run: RunFolder) -> str:
    """The same for every execution in a folder, another for every folder."""
    path = run.path / "wandb_id.txt"
    if not path.is_file():
        import uuid

        write_text(path, uuid.uuid4().hex[:12] + "\n")
    return path.read_text().strip()
