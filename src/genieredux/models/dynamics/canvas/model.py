"""The canvas dynamics as a model: its parts, its loss, and how its state goes on by a frame.

Training: the motion prior learns the true motions of all clips at once, and in some of them goes on from its own dream,
so that it knows what its errors look like; the painter draws under the true motions, so that what it learns is never
blurred by not knowing where the picture went. Knows frames and actions; no file, game or trainer.
"""

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.models.dynamics.canvas.actor import Actor
from genieredux.models.dynamics.canvas.config import CanvasConfig
from genieredux.models.dynamics.canvas.continuation import continued
from genieredux.models.dynamics.canvas.motion import (
    MotionPrior,
    around_stillness,
    find_codes,
    left_over,
    settled,
    soft_targets,
    to_codes,
)
from genieredux.models.dynamics.canvas.painter import Outlook, Painted, Painter
from genieredux.models.dynamics.canvas.pictures import Pictures
from genieredux.models.dynamics.canvas.registration import shifts
from genieredux.models.dynamics.canvas.sheet import Canvas, differ
from genieredux.models.dynamics.canvas.tracking import Track
from genieredux.models.types import Batch, Losses
from genieredux.nn.draws import for_all_clips, uniform, usual_count

_LEADING = 2
"""True frames that a painted clip begins with."""
_TEMPERATURE = 0.5
"""At which motions are drawn when the prior learns from its own dream."""
_ASTRAY = 6.0
"""In pixels: a dream that is farther than this from where the game was learns nothing there."""
CUT = 0.5
"""A true frame that differs in more than this share of its pixels from what the canvas shows is of another scene."""
IN_PLACE = 0.5
"""What comes from the last frame (Painted.in_place) by more than this share belongs to the picture's frame, not to the
canvas."""


class CanvasDynamics(nn.Module):
    """Predicts frame t+1 from frames 0..t and actions 0..t: first the token of its motion, then the picture."""

    kind = "genie_redux_guided"
    settings = CanvasConfig

    def __init__(self, config: CanvasConfig, num_actions: int) -> None:
        super().__init__()
        self.config = config
        self.num_actions = num_actions
        self.codes: Tensor
        self.register_buffer("codes", around_stillness(config.motions))
        self._vector = config.action_width or num_actions
        self.actor = Actor(config, self._vector) if config.actor else None
        self.hides = bool(config.actor and config.continued and config.reach)  # the actor is in front of the canvas
        self.painter = Painter(config, num_actions)
        self.prior = MotionPrior(config, num_actions)

    @classmethod
    def made_for(cls, settings: CanvasConfig, tokenizer: Any, num_actions: int) -> "CanvasDynamics":
        """Untrained; it needs no tokenizer."""
        return cls(settings, num_actions)

    @staticmethod
    def of_vectors(width: int) -> dict[str, Any]:
        """The settings with which actions are vectors of `width` values."""
        return {"action_width": width}

    @torch.no_grad()
    def look_first(self, batches: Iterable[Batch]) -> None:
        """Find the codebook in the motions of some batches of frames, the actor's place in their pixels, and how things
        move by themselves, before the first step of training."""
        clips = [(batch.frames, self.shifts(batch.frames)) for batch in batches if batch.frames is not None]
        found = torch.cat([motions.flatten(0, 1) for _, motions in clips])
        self.codes.copy_(find_codes(found, self.config.motions))
        if self.actor is not None:
            self.actor.place(clips)
        if self.painter.sprites is not None:
            self.painter.sprites.find([frames for frames, _ in clips])

    def shifts(self, frames: Tensor) -> Tensor:
        """Motions (B, T - 1, 2) between frames (B, T, 3, H, W), as they were."""
        if not self.config.reach:
            return frames.new_zeros(len(frames), frames.shape[1] - 1, 2)
        found = shifts(frames[:, :-1].flatten(0, 1), frames[:, 1:].flatten(0, 1), self.config.reach)
        found, track = found.view(len(frames), -1, 2), Track.of(frames[:, 0])
        for t in range(found.shape[1]):
            found[:, t] = track.step(frames[:, t + 1], found[:, t])
        return found

    def shift(self, track: Track, last: Tensor, frames: Tensor) -> Tensor:
        """The motions (B, 2) that led from frames `last` (B, 3, H, W) to the next ones; the track goes on."""
        if not self.config.reach:
            return frames.new_zeros(len(frames), 2)
        return track.step(frames, shifts(last, frames, self.config.reach))

    # -- what is said of any dynamics ----------------------------------------------------------------------

    @property
    def grid(self) -> tuple[int, int]:
        """(1, 1): the token of a frame is its motion."""
        return 1, 1

    @property
    def mask_id(self) -> int:
        """The id of a hidden token."""
        return len(self.codes)

    @property
    def supports(self) -> frozenset[str]:
        """One frame at a time."""
        return frozenset({"autoregressive"})

    # -- training ------------------------------------------------------------------------------------------

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Losses:
        """The motion prior's cross-entropy in nats, paint_weight times the painter's error, and the actor's error.

        batch.frames: float (B, T, 3, H, W), T >= 3; batch.actions: int64 (B, T-1), or float (B, T-1, action_width).
        parts: motion, paint, squared_error (of the painted frames, mean); actor and sprites, where there are some.
        """
        if batch.frames is None or batch.actions is None:
            raise ValueError("the canvas dynamics trains on frames and actions, and this batch lacks one of them")
        frames, actions = batch.frames, batch.actions
        with torch.no_grad():
            true = self.shifts(frames)
            motions = self.codes[to_codes(true, self.codes, true.new_zeros(len(true), 2))[0]]
        own, share = self._some(self.config.painted, len(frames), generator, frames.device)
        length = self._chain(generator, frames.device)
        paint, error, drawn = self._paint(frames[own], actions[own], motions[own], length)
        seen = frames.clone()
        seen[own] = drawn
        motion = self._motion_loss(self._noisy(seen, generator), true, motions, actions).mean()
        if self.config.dreamt and self.config.reach:
            motion = motion + self._dreamt_loss(frames, actions, true, motions, generator)
        total = motion + self.config.paint_weight * share * paint
        parts = {"motion": motion.detach(), "paint": share * paint.detach(), "squared_error": share * error}
        if self.actor is not None:
            actor = self.actor.loss(frames, motions, self.vectors(actions))
            total, parts = total + actor, parts | {"actor": actor.detach()}
        if self.painter.sprites is not None:
            sprites = self.painter.sprites.loss(frames, actions, generator)
            total, parts = total + sprites, parts | {"sprites": sprites.detach()}
        return Losses(total, parts)

    def vectors(self, actions: Tensor) -> Tensor:
        """Actions int64 (...) as vectors float (..., num_actions) of 0 and 1; vectors as they are."""
        return actions if actions.is_floating_point() else F.one_hot(actions, self.num_actions).to(self.codes.dtype)

    def _motion_loss(self, frames: Tensor, true: Tensor, motions: Tensor, actions: Tensor) -> Tensor:
        """The cross-entropy (B, T - 2) of the motions after the first, whose own past is a single frame.

        frames: (B, T, 3, H, W), as the prior sees them, motions: (B, T - 1, 2), as it is told, true: what follows.
        """
        still = torch.zeros_like(motions[:, :1])
        past = torch.cat([frames[:, :1], frames[:, :-1]], 1)
        logits, _ = self.prior(past, torch.cat([still, motions[:, :-1]], 1), actions)
        targets = soft_targets(true, self.codes, self.config.softness)
        losses = F.cross_entropy(logits[:, 1:].flatten(0, 1), targets[:, 1:].flatten(0, 1), reduction="none")
        return losses.view(len(frames), -1)

    def _dreamt_loss(
        self, frames: Tensor, actions: Tensor, true: Tensor, motions: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Of the true motions again, told what it dreamt itself: a motion of a dream counts as much as a true one.

        Where a dream has gone astray, what the game did says nothing of it, and counts as 0.
        """
        drawn = uniform((len(frames), true.shape[1]), generator, frames.device)
        own, share = self._some(self.config.dreamt, len(frames), generator, frames.device)
        dreamt, taken = self._dreamt(frames[own], actions[own], motions[own], drawn[own])
        off = (taken.cumsum(1) - true[own].cumsum(1)).abs().amax(2)
        near = F.pad(off < _ASTRAY, (1, 0), value=True)[:, 1:-1]
        return self.config.dreamt * share * (self._motion_loss(dreamt, true[own], taken, actions[own]) * near).mean()

    @torch.no_grad()
    def _dreamt(self, frames: Tensor, actions: Tensor, motions: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, T, 3, H, W) and motions (B, T - 1, 2) of a dream, drawn by numbers (B, T - 1) in [0, 1)."""
        training = self.training
        self.eval()
        go_on = self.sketch if self.hides else self.draw
        state, memory = self.begin(frames[:, 0]), None
        seen, taken, owed = [frames[:, 0]], [], torch.zeros_like(motions[:, 0])
        for t, action in enumerate(actions.unbind(1)):
            pair = torch.stack([state.before, state.last], 1)
            logits, memory = self.prior(pair, state.motion[:, None], action[:, None], memory)
            if t < _LEADING - 1:
                taken.append(motions[:, t])
                self.show(state, frames[:, t + 1], motions[:, t], action)
            else:
                chances = (logits[:, 0] / _TEMPERATURE).softmax(1).cumsum(1)
                code = (chances < drawn[:, t, None]).sum(1).clamp(max=len(self.codes) - 1)
                code, wanted = settled(code, logits[:, 0], self.codes, owed)
                taken.append(self.codes[code])
                owed = left_over(wanted, taken[-1])
                go_on(state, taken[-1], action)
            seen.append(state.last)
        self.train(training)
        return torch.stack(seen, 1), torch.stack(taken, 1)

    def _paint(self, frames: Tensor, actions: Tensor, motions: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
        """The painter's loss, its mean squared error, and the frames with those instead that it drew in chains of
        `length`."""
        state = self.begin(frames[:, 0])
        first = min(_LEADING, frames.shape[1] - 1)
        for t in range(1, first):
            self.show(state, frames[:, t], motions[:, t - 1], actions[:, t - 1])
        given = state, frames[:, first:], actions[:, first - 1 :], motions[:, first - 1 :]
        loss, error, drawn = self._each(*given) if length == 1 else self._chained(*given, length)
        return loss, error, torch.cat([frames[:, :first], drawn], 1)

    def _each(self, state: Pictures, frames: Tensor, actions: Tensor, motions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of frames (B, T, 3, H, W) that are each drawn after true ones: all at once, for none hangs on another."""
        asked = []
        for truth, action, motion in zip(frames.unbind(1), actions.unbind(1), motions.unbind(1), strict=True):
            asked.append(self._outlook(state, motion, action))
            self._lay(state, truth, asked[-1].view)
        made = self._made(Outlook.of_all(asked))
        truth = frames.transpose(0, 1).flatten(0, 1)
        drawn = made.frames.detach().clamp(0, 1)
        error = (drawn - truth).square().mean()
        return self._error(made, truth), error, drawn.unflatten(0, (-1, len(frames))).transpose(0, 1)

    def _chained(
        self, state: Pictures, frames: Tensor, actions: Tensor, motions: Tensor, length: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same where it goes on from what it drew, `length` times, before it sees true ones again."""
        drawn, losses, errors = [], [], []
        last = state.last
        for t, truth in enumerate(frames.unbind(1)):
            made = self.paint(state, motions[:, t], actions[:, t])
            losses.append(self._error(made, truth))
            drawn.append(self._go_on(state, made))
            errors.append((drawn[-1] - truth).square().mean())
            if (t + 1) % length == 0:
                state.last, state.before = truth, last
                state.canvas.write(truth, self.beside().expand_as(made.known))
            last = truth
        return torch.stack(losses).mean(), torch.stack(errors).mean(), torch.stack(drawn, 1)

    def _error(self, made: Painted, truth: Tensor) -> Tensor:
        weights = 1 + self.config.new_weight * (1 - made.known)
        error = ((made.frames - truth).abs() * weights).mean()
        alone = ((made.paint - truth).abs() * weights).mean()
        edges = sum((made.frames.diff(dim=axis) - truth.diff(dim=axis)).abs().mean() for axis in (-1, -2))
        return error + 0.5 * alone + self.config.edges_weight / 2 * edges

    def _some(
        self, share: float, clips: int, generator: torch.Generator | None, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Which of these clips are among a share of the whole batch, bool (clips,), one at least, and by how much a
        mean over them counts: so that the means of the batch's parts make up that of the whole."""
        own, every = for_all_clips(lambda count: self._drawn(share, count, generator, device), clips, generator)
        counts = own.sum() / usual_count(own, every)
        if not own.any():
            own = torch.arange(len(own), device=device) == 0  # for nothing, so that every parameter has a gradient
        return own, counts

    @staticmethod
    def _drawn(share: float, clips: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Bool (clips,): a share of them, at least one. They are drawn from equal parts of the batch, so that each of
        several processes has as many."""
        count = max(1, round(share * clips))
        part = torch.arange(clips, device=device) * count // clips
        drawn = uniform((clips,), generator, device)
        best = drawn.new_zeros(count).scatter_reduce(0, part, drawn, "amax")
        return drawn == best[part]

    def _chain(self, generator: torch.Generator | None, device: torch.device) -> int:
        drawn = float(uniform((1,), generator, device, shared=True))
        return self.config.chains[int(drawn * len(self.config.chains))]

    def _noisy(self, frames: Tensor, generator: torch.Generator | None) -> Tensor:
        """Frames as the motion prior sees them in training: a dream's are not quite true."""
        if not self.training or self.config.noise == 0:
            return frames
        strength = self.config.noise * uniform((len(frames), 1, 1, 1, 1), generator, frames.device)
        spread = uniform(tuple(frames.shape), generator, frames.device) - 0.5
        return frames + strength * spread * (12**0.5)

    # -- going on ------------------------------------------------------------------------------------------

    def begin(self, frames: Tensor) -> Pictures:
        """After first frames (B, 3, H, W)."""
        still, none = frames.new_zeros(len(frames), 2), frames.new_zeros(len(frames), self._vector)
        canvas = Canvas.of(self.behind(frames), self.config.margin, self.config.whole_pixels)
        return Pictures(frames, frames, canvas, still, none)

    def show(self, state: Pictures, frames: Tensor, motion: Tensor, action: Tensor) -> Tensor:
        """Go on with true frames (B, 3, H, W), which `motion` (B, 2) and `action` led to. Returns where they were
        known, (B, 1, H, W), 0 or 1."""
        state.canvas.move(motion)
        view, known = state.canvas.view()
        self._lay(state, frames, view)
        state.motion, state.action = motion, self.vectors(action)
        return known

    def _lay(self, state: Pictures, frames: Tensor, view: Tensor) -> None:
        """True frames are the last from now on, and on the canvas, which showed `view` of them."""
        changed = self._changed(frames, view)
        ground, over = frames, changed * self.beside()
        if self.hides:
            cut = changed.mean((1, 2, 3), keepdim=True) > CUT
            if cut.any():
                ground, over = torch.where(cut, self.behind(frames), frames), torch.where(cut, changed, over)
        state.canvas.write(ground, over)
        state.before, state.last = state.last, frames

    def paint(self, state: Pictures, motion: Tensor, action: Tensor) -> Painted:
        """The next frames under `motion` (B, 2) and `action`. The canvas moves; `_go_on` does the rest."""
        return self._made(self._outlook(state, motion, action))

    def _outlook(self, state: Pictures, motion: Tensor, action: Tensor) -> Outlook:
        """What the next frames are painted from; canvas, motion and action of the state are theirs from now on."""
        state.canvas.move(motion)
        view, known = state.canvas.view()
        motions, vector = torch.stack([state.motion, motion], 1), self.vectors(action)
        asked = Outlook(state.last, state.before, view, known, motions, action, vector, state.action)
        state.motion, state.action = motion, vector
        return asked

    def _made(self, asked: Outlook) -> Painted:
        painter, place = self.painter, self._in_place(asked)
        return painter(
            asked.last, asked.before, asked.view, asked.known, asked.action, asked.motions, place, self.front()
        )

    @torch.no_grad()
    def _in_place(self, asked: Outlook) -> Tensor | None:
        """The last frames as the actor redraws them; it has a loss of its own."""
        if self.actor is None:
            return None
        return self.actor(asked.last, asked.before, asked.motions, asked.vector, asked.previous)

    def draw(self, state: Pictures, motion: Tensor, action: Tensor) -> Tensor:
        """Go on with what follows: frames float32 (B, 3, H, W) in [0, 1]."""
        return self._go_on(state, self.paint(state, motion, action))

    @torch.no_grad()
    def sketch(self, state: Pictures, motion: Tensor, action: Tensor) -> Tensor:
        """`draw` without the paint, in half its time: what was seen, continued, and the actor in front of it."""
        asked, front = self._outlook(state, motion, action), self.front()
        picture, _ = self.painter.seen(asked.last, asked.view, asked.known)
        place = self._in_place(asked)
        if front is not None and place is not None:
            picture = torch.where(front > 0, place.clamp(0, 1), picture)
        state.canvas.write(picture, torch.zeros_like(asked.known))
        state.before, state.last = state.last, picture
        return picture

    def _go_on(self, state: Pictures, made: Painted) -> Tensor:
        """What was painted is the past from now on; returns it, in [0, 1] and without gradient."""
        picture = made.frames.detach().clamp(0, 1)
        changed = self._changed(picture, made.view)
        if self.config.reach:
            changed = changed * (made.in_place.detach() < IN_PLACE) * self.beside()
        state.canvas.write(picture, changed)
        state.before, state.last = state.last, picture
        return picture

    def behind(self, frames: Tensor) -> Tensor:
        """First frames (B, 3, H, W) without the actor: what is around it goes on behind it."""
        if not self.hides:
            return frames
        picture, trust = continued(frames, self.beside().expand(len(frames), -1, -1, -1), self.config.continued)
        return torch.where(trust > 0, picture, frames)

    def front(self) -> Tensor | None:
        """(1, 1, H, W), 1 at the actor's own pixels, in front of the canvas and never on it; None: nothing is."""
        return self.actor.everywhere() if self.actor is not None and self.hides else None

    def beside(self) -> Tensor:
        """(1, 1, H, W), where frames are laid on the canvas: 0 at what is in front of it, else 1."""
        front = self.front()
        return self.codes.new_ones(1, 1, *(self.config.image_size,) * 2) if front is None else 1 - front

    def _changed(self, frames: Tensor, view: Tensor) -> Tensor:
        """Where the canvas is written again, (B, 1, H, W), 0 or 1: under a camera that never moves, everywhere, so that
        it is the last frame."""
        return differ(frames, view) if self.config.reach else torch.ones_like(view[:, :1])
