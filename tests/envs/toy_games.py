"""Games that tests play: small Gymnasium environments with odd pictures, and one that misbehaves."""

import os
import time

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

DIE, HANG = 1, 2


class Ramp(gymnasium.Env):
    """A number that actions add to, drawn as brightness; 30x50 pictures through `render`; ends at 20."""

    def __init__(self, render_mode="rgb_array"):
        self.metadata = {"render_modes": ["rgb_array"]}
        self.render_mode = render_mode
        self.observation_space = Box(-np.inf, np.inf, (1,), np.float64)
        self.action_space = Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.value = int(self.np_random.integers(5))
        return np.array([self.value], dtype=np.float64), {"value": self.value, "label": "no number"}

    def step(self, action):
        self.value += int(action)
        done = self.value >= 20
        return np.array([self.value], dtype=np.float64), float(action), done, False, {"value": self.value}

    def render(self):
        return np.full((30, 50, 3), 10 * self.value, np.uint8)


class Fragile(Ramp):
    """Dies at action 1 and hangs at action 2."""

    def step(self, action):
        if action == DIE:
            os.kill(os.getpid(), 9)
        if action == HANG:
            time.sleep(3600)
        self.value += 1
        return np.array([self.value], dtype=np.float64), 1.0, self.value >= 20, False, {"value": self.value}


class Pictures(Ramp):
    """Its observations are pictures already; it has named actions and no render mode."""

    action_names = ("STAY", "UP", "JUMP")

    def __init__(self, render_mode=None):
        super().__init__(render_mode=None)
        self.observation_space = Box(0, 255, (40, 20, 3), np.uint8)

    def reset(self, *, seed=None, options=None):
        _, info = super().reset(seed=seed)
        return np.full((40, 20, 3), 10 * self.value, np.uint8), info

    def step(self, action):
        _, *rest = super().step(action)
        return np.full((40, 20, 3), 10 * self.value, np.uint8), *rest


class Continuous(Ramp):
    """Not playable here: its actions are no choices."""

    def __init__(self, render_mode=None):
        super().__init__()
        self.action_space = Box(-1, 1, (2,))


class Shifted(Ramp):
    """Takes no render_mode, counts its actions from 2, and has attributes that mean something else elsewhere."""

    game = object()
    console = 7
    action_names = ("ONE NAME FOR THREE",)

    def __init__(self):
        super().__init__()
        self.action_space = Discrete(3, start=2)

    def step(self, action):
        assert 2 <= action <= 4
        return super().step(action - 2)


class Cells(Ramp):
    """Its observations have the form of pictures but are five cells; what it renders is the picture."""

    def __init__(self, render_mode=None):
        super().__init__(render_mode)
        self.observation_space = Box(0, 255, (5, 5, 3), np.uint8)


class Flat(Ramp):
    """Draws no picture."""

    def render(self):
        return np.zeros(50, np.uint8)


class Undrawable(Ramp):
    """Lacks a package to draw with."""

    def render(self):
        raise gymnasium.error.DependencyNotInstalled("pygame is not installed, run `pip install pygame`")


def no_game(render_mode=None):
    return render_mode
