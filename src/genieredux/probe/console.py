"""A console game of stable-retro as a `Machine`. One fits in a process, so each game is probed in one of its own.

The library is asked for the verified ROM's game only, and frames are drawn only when they are looked at.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from genieredux.envs.config import EnvConfig
from genieredux.envs.retro import resolve as verified
from genieredux.errors import UserError
from genieredux.probe.machine import MENU_BUTTONS, Picture
from genieredux.retroact import resolve
from genieredux.retroact.roms import add_to_stable_retro


def open_console(game: str) -> "ConsoleMachine":
    """The machine of a game of the catalogue, with its verified ROM.

    Raises `UserError` at an unknown game (naming the nearest), a ROM that is missing or is not the right one.
    """
    known = resolve(game)
    name = verified(EnvConfig("retro", known.name))
    import stable_retro

    add_to_stable_retro()
    try:
        env = stable_retro.make(known.game, use_restricted_actions=stable_retro.Actions.ALL, render_mode="rgb_array")
    except RuntimeError as error:
        raise UserError(f"{name}: the emulator cannot load this game ({error})") from error
    return ConsoleMachine(env, name, known.console)


class ConsoleMachine:
    """A `RetroEnv` of stable-retro, made with `Actions.ALL` and `rgb_array`, as a `Machine`."""

    def __init__(self, env: Any, name: str, console: str) -> None:
        self._env, self.name, self.console = env, name, console
        self._places = {name: k for k, name in enumerate(self._env.buttons) if name and name not in MENU_BUTTONS}
        self.buttons = tuple(self._places)
        self._mask = np.zeros(len(self._env.buttons), dtype=np.uint8)
        self.reset()

    def reset(self) -> None:
        """See `Machine`."""
        self._env.reset()

    def frame(self, held: Collection[str]) -> bool:
        """See `Machine`."""
        self._mask[:] = 0
        for name in held:
            self._mask[self._places[name]] = 1
        self._env.em.set_button_mask(self._mask, 0)
        self._env.em.step()
        self._env.data.update_ram()
        return bool(self._env.data.is_done())

    def picture(self) -> Picture:
        """See `Machine`."""
        return np.ascontiguousarray(self._env.get_screen(apply_rotation=True))

    def save(self) -> bytes:
        """See `Machine`."""
        return bytes(self._env.em.get_state())

    def restore(self, state: bytes) -> None:
        """See `Machine`."""
        self._env.em.set_state(state)
        self._env.data.reset()  # what it saw last belongs to another branch
        self._env.data.update_ram()

    def variables(self) -> Mapping[str, float]:
        """See `Machine`."""
        return {name: float(value) for name, value in self._env.data.lookup_all().items()}

    def close(self) -> None:
        """See `Machine`."""
        self._env.close()
