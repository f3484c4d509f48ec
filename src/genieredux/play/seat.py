"""One person's seat: the dream, the real game beside it, who watches or plays, what is recorded. It knows no browser;
one thread at a time uses it.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genieredux.dreams.session import DreamSession, Picture, Prompt
from genieredux.episodes import DatasetSpec
from genieredux.errors import UserError
from genieredux.play.beside import Moment, RealGame
from genieredux.play.keeping import Budget, Recorder, film
from genieredux.play.replay import Replay, packed, runs
from genieredux.play.scenes import Scene, changed
from genieredux.play.watching import Policies, Watched

PERSON = "person"
"""Who played, in what is recorded, where it was no policy."""


@dataclass(frozen=True)
class Begin:
    """Where to begin: a prompt of the world's own, a level of the real game, or somebody's picture (RGB bytes)."""

    prompt: int | None = None
    level: int | None = None
    picture: bytes | None = None


@dataclass(frozen=True)
class Drawn:
    """How tokens are drawn where it is not as the world says."""

    steps: int | None = None
    temperature: float | None = None
    choice: str | None = None


@dataclass(frozen=True)
class Shown:
    """What is to be seen now. game: what the real game shows, where there is one."""

    picture: Picture
    game: Moment | None = None


class Seat:
    """Everything that one person does in one scene."""

    def __init__(self, scene: Scene, folder: Path | None = None, budget: Budget | None = None) -> None:
        """folder: of data sets, for what is recorded; None: nothing may be."""
        self.scene = scene
        self._folder, self._budget = folder, budget or Budget()
        self._session = DreamSession(scene.world, scene.prompts, together=scene.together)
        self._began = Begin(prompt=0)
        self._drawn = Drawn()
        self._game: RealGame | None = None
        self._beside = False
        self._watched: Watched | None = None
        self._on_game = False
        self._recorder: Recorder | None = None

    @property
    def seed(self) -> int:
        """Of the present dream's noise."""
        return self._session.seed

    @property
    def prompt(self) -> int | None:
        """Which of the world's own beginnings it is."""
        return self._session.prompt

    @property
    def level(self) -> int | None:
        """Which level of the real game it is."""
        return self._began.level

    @property
    def watches(self) -> str | None:
        """The policy that plays."""
        return None if self._watched is None else self._watched.name

    @property
    def records(self) -> Recorder | None:
        """What is being recorded."""
        return self._recorder

    @property
    def oldest(self) -> int:
        """The first frame that one can go back to."""
        return self._session.pictures[0].number

    def begin(self, begin: Begin | None = None, seed: int | None = None, drawn: Drawn | None = None) -> Shown:
        """Begin anew: there as before, unless it is said where, with the next seed, unless it is said which. Raises
        UserError for what the world cannot begin with; then all is as it was."""
        begin, drawn = begin or self._began, drawn or self._drawn
        sampling = changed(self.scene, drawn.steps, drawn.temperature, drawn.choice)
        game, given, index = None, None, None
        if begin.level is not None:
            game = self._opened_game()
            given = Prompt(game.begin(begin.level).frame[None], np.zeros(0, np.int64))
        elif begin.picture is not None:
            given = self._own_picture(begin.picture)
        else:
            index = (begin.prompt or 0) % len(self.scene.prompts)
            given = self.scene.prompts[index]
            begin, game = Begin(prompt=index), self._game_at(index)
        self._session.sampling = None if drawn == Drawn() else sampling
        picture = self._session.begin(given, seed, index)
        self._began, self._drawn, self._beside = begin, drawn, game is not None
        if self._watched is not None:
            self._watched.begin()
        self._begin_recording()
        return self._shown(picture)

    def step(self, action: int, by: str = PERSON) -> Shown:
        """Take an action in the dream, and what stands for it in the real game."""
        if self._beside and self._game is not None:
            self._game.step(self.scene.to_game[action])
        picture = self._session.step(action)
        if self._recorder is not None:
            self._record(action, picture, by)
        return self._shown(picture)

    def watched_step(self) -> Shown:
        """Let the policy that is watched take an action. RuntimeError where there is none."""
        if self._watched is None:
            raise RuntimeError("nobody is watched")
        actions, picture = self._session.actions, self._session.pictures[-1]
        last = actions[-1] if actions else None
        game = self._game.now if self._game is not None and self._beside and self._on_game else None
        frame = picture.frame if game is None else game.frame
        action = self._watched.act(frame, 0.0 if game is None else game.reward, last)
        return self.step(action, self._watched.name)

    def back_to(self, number: int) -> Shown:
        """Go back to a frame and go on from there. Raises UserError for one that is not kept."""
        picture = self._session.back_to(number)
        if self._beside and self._game is not None:
            self._game.back_to(number)
        if self._watched is not None:
            self._watched.begin()
        self._begin_recording()
        return self._shown(picture)

    def watch(self, policies: Policies, name: str | None, on_game: bool = False) -> None:
        """A policy plays from now on (None: the person). on_game: it sees the real game, where there is one. Raises
        UserError where it cannot be made."""
        self._watched = None if name is None else policies.player(name, self.scene.world, self._session.seed)
        self._on_game = on_game

    def record(self, on: bool) -> None:
        """Store what is played from now on, the real game's frames where it is beside, else the dream's. Raises
        UserError where nothing may be stored, or not there."""
        if self._recorder is not None:
            self._recorder.end()
        self._recorder = None
        if not on:
            return
        if self._folder is None:
            raise UserError("recording is off for visitors from elsewhere; start the program with record=FOLDER")
        self._begin_recording(begin=True)

    def film(self, kind: str, fps: float) -> bytes:
        """The dream since its beginning (its last frames, where it is long) as png, gif or mp4."""
        return film([picture.frame for picture in self._session.pictures], kind, fps)

    def replay(self) -> Replay:
        """What plays the same again. Raises UserError where it is too long."""
        session, begin = self._session, self._began
        return Replay(
            world=self.scene.name,
            prompt=begin.prompt,
            level=begin.level,
            picture=None if begin.picture is None else packed(begin.picture),
            seed=session.seed,
            steps=self._drawn.steps,
            temperature=self._drawn.temperature,
            choice=self._drawn.choice,  # type: ignore[arg-type]
            actions=runs(session.actions),
            given=_checksum(session.given),
            checksum=session.pictures[-1].checksum,
        )

    def begin_replay(self, replay: Replay) -> tuple[Shown, list[int]]:
        """Begin as a replay began; the first picture, and the actions to take. Raises UserError where this world has
        other beginnings, or not these actions."""
        count = self.scene.world.image_size**2 * 3
        picture = None if replay.picture is None else replay.pixels(count)
        actions = replay.taken()
        names = self.scene.world.action_names
        if actions and max(actions) >= len(names):
            raise UserError(f"the replay takes action {max(actions)}; {self.scene.name} has 0 to {len(names) - 1}")
        begin = Begin(replay.prompt, replay.level, picture)
        shown = self.begin(begin, replay.seed, Drawn(replay.steps, replay.temperature, replay.choice))
        if replay.given and replay.given != _checksum(self._session.given):
            raise UserError(f"the replay begins with other frames than {self.scene.name} has here")
        return shown, actions

    def close(self) -> None:
        """Store what is recorded, end the game."""
        try:
            if self._recorder is not None:
                self._recorder.end()
        finally:
            self._recorder = None
            if self._game is not None:
                self._game.close()
                self._game = None

    def _shown(self, picture: Picture) -> Shown:
        return Shown(picture, self._game.now if self._beside and self._game is not None else None)

    def _opened_game(self) -> RealGame:
        if self.scene.game is None:
            raise UserError(f"no real game is beside {self.scene.name}; start the program with game=kind:name")
        if self._game is None:
            self._game = RealGame(self.scene.game)
        return self._game

    def _game_at(self, prompt: int) -> RealGame | None:
        """The real game at the moment that a prompt ends at, where that is known and the game shows that picture."""
        config = self.scene.game
        if config is None or prompt >= len(self.scene.origins) or self.scene.origins[prompt].game != config.game:
            return None
        origin, game = self.scene.origins[prompt], self._opened_game()
        moment = game.begin(origin.level, origin.seed, origin.actions.tolist())
        return game if np.array_equal(moment.frame, self.scene.prompts[prompt].frames[-1]) else None

    def _own_picture(self, pixels: bytes) -> Prompt:
        size = self.scene.world.image_size
        if len(pixels) != size * size * 3:
            raise UserError(f"a picture of {len(pixels):,} bytes; this world takes {size} x {size} RGB pixels")
        frame = np.frombuffer(pixels, np.uint8).reshape(1, size, size, 3)
        return Prompt(frame.copy(), np.zeros(0, np.int64))

    def _begin_recording(self, begin: bool = False) -> None:
        """An episode begins at what is shown now, in the data set that it belongs into."""
        if self._recorder is not None:
            self._recorder.end()
        elif not begin:
            return
        assert self._folder is not None
        world, game = self.scene.world, self._game if self._beside else None
        names = world.action_names
        label, console, level, frame = self.scene.name, "Dream", 0, self._session.pictures[-1].frame
        if game is not None:
            assert self.scene.game is not None
            names = self.scene.game.action_names or names
            label, console, level, frame = game.name, game.console, game.level, game.now.frame
        name = f"play_{self.scene.name}_{'game' if game else 'dream'}"
        made = {"job": "play", "world": self.scene.name, "frames": "the real game" if game else "a dream"}
        spec = DatasetSpec(name, world.image_size, tuple(names), made)
        self._recorder = Recorder(self._folder, spec, self._budget, label, console, level)
        self._recorder.begin(frame)

    def _record(self, action: int, picture: Picture, by: str) -> None:
        assert self._recorder is not None
        game = self._game.now if self._beside and self._game is not None else None
        if game is None:
            self._recorder.step(action, 0.0, picture.frame, by)
        else:
            self._recorder.step(self.scene.to_game[action], game.reward, game.frame, by, game.ended)


def _checksum(prompt: Prompt) -> int:
    return zlib.crc32(np.asarray(prompt.actions, np.int64).tobytes(), zlib.crc32(prompt.frames.tobytes()))
