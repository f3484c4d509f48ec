"""One game in one lane, and several lanes that take turns in one process.

A lane turns a single game into the same-step-autoreset contract: it writes its frames into memory that it is given, so
it works alike in this process and in another (envs/pool.py). Knows no particular game.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from genieredux.envs.adapters import adapter
from genieredux.envs.config import EnvConfig
from genieredux.envs.game import Frame, Game, GameFacts, Numbers, Start, numbers


@dataclass
class LaneStep:
    """What one environment answers to one action. `info` belongs to the frame now shown, `final_info` to an
    episode's last, which `final_shown` says was drawn.
    """

    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    info: Numbers = field(default_factory=dict)
    final_info: Numbers = field(default_factory=dict)
    final_shown: bool = False
    broken: bool = False


class Lane:
    """One game, the cap on its episodes' length, and the same-step autoreset."""

    def __init__(self, game: Game, max_steps: int | None) -> None:
        self.game = game
        self._max_steps = max_steps
        self._steps = 0

    def begin(self, start: Start, frame_out: Frame) -> LaneStep:
        """Begin the episode `start`; its first frame goes to `frame_out` (S, S, 3)."""
        frame, info = self.game.begin(start)
        frame_out[...] = frame
        self._steps = 0
        return LaneStep(info=numbers(info))

    def step(self, action: int, upcoming: Start, frame_out: Frame, final_out: Frame) -> LaneStep:
        """Take `action`. At an end the last frame, if shown, goes to `final_out`, and `upcoming` begins at once."""
        frame, reward, terminated, truncated, info = self.game.step(action)
        self._steps += 1
        truncated = bool(truncated) or (not terminated and self._steps == self._max_steps)
        if frame is not None and not (terminated or truncated):
            frame_out[...] = frame
            return LaneStep(reward=float(reward), info=numbers(info))
        if frame is not None:
            final_out[...] = frame
        last = {} if frame is None else numbers(info)
        first = self.begin(upcoming, frame_out)
        return LaneStep(float(reward), bool(terminated), truncated, first.info, last, frame is not None)


class Lanes:
    """The lanes of the environments `indices`, which write into `frames` and `finals`, uint8 (N, S, S, 3) each."""

    def __init__(self, cfg: EnvConfig, indices: Iterable[int], frames: Frame, finals: Frame) -> None:
        open_game = adapter(cfg.kind).open
        self._lanes = {i: Lane(open_game(cfg), cfg.max_episode_steps) for i in indices}
        self._frames, self._finals = frames, finals

    @property
    def facts(self) -> GameFacts:
        """The game that they all play."""
        game = next(iter(self._lanes.values())).game
        return GameFacts(game.name, game.console, game.action_names)

    def begin(self, starts: Mapping[int, Start]) -> dict[int, LaneStep]:
        """Begin these episodes."""
        return {i: self._lanes[i].begin(start, self._frames[i]) for i, start in starts.items()}

    def step(self, moves: Mapping[int, tuple[int, Start]]) -> dict[int, LaneStep]:
        """Take an action each; the start is that of the episode to begin where this one ends."""
        return {
            i: self._lanes[i].step(action, upcoming, self._frames[i], self._finals[i])
            for i, (action, upcoming) in moves.items()
        }

    def close(self) -> None:
        """Close every game."""
        for lane in self._lanes.values():
            lane.game.close()
