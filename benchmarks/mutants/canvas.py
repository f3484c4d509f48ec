"""Wrong lines of worlds that carry over what was seen: motions, canvas, painter, actor, and the dream of them."""

from mutants.row import Mutant, of

_HERE = "models/dynamics/canvas/"
_WORLD = "models/world/test_canvas.py"

MUTANTS: tuple[Mutant, ...] = (
    *of(
        _HERE + "actor.py",
        _HERE + "test_actor.py",
        ("place where most changes", "found = stays if moved else changes", "found = changes"),
        ("place of what moves along", "(1 - changed[far]) * differ(new[far], view)", "(1 - changed[far])"),
        ("own pixels without a border", "F.max_pool2d(own, 3, 1, 1)", "own"),
        ("own pixels like others", "_OWN * (error * self.own)", "0 * (error * self.own)"),
        ("actor from the truth", "made.detach().clamp(0, 1), truth)", "truth, truth)"),
        (
            "actor without its action",
            "condition = torch.cat([motions.flatten(1) / PIXELS, action,",
            "condition = torch.cat([motions.flatten(1) / PIXELS, 0 * action,",
        ),
        ("actions of the actor late", "actions[:, t - 1], actions[:, t - 2])", "actions[:, t - 2], actions[:, t - 1])"),
        ("square from nothing", "return last + self.leave(hidden)", "return self.leave(hidden)"),
    ),
    *of(
        _HERE + "tracking.py",
        f"{_HERE}test_tracking.py",
        ("no anchor", "torch.where(agreed[:, None], place - self.moved, shift)", "shift"),
        ("anchor always believed", "agreed = (place - expected).abs().amax(1) <= _TRUST", "agreed = place[:, 0] < 1e9"),
        ("anchor of any age", "| (age >= _OLD)", ""),
        ("anchor from afar", "| (moved.abs().amax(1) > _FAR * frames.shape[-1])", ""),
        ("place not kept", "moved, age = self.moved + motion,", "moved, age = motion,"),
        ("new anchor, old place", "torch.where(anew[:, None], 0.0, moved)", "moved"),
        ("new anchor, old age", "torch.where(anew, 0.0, age)", "age"),
        ("new anchor, old picture", "torch.where(anew[:, None, None, None], frames, self.anchor)", "self.anchor"),
        ("alike moves", "(motion.abs() < STILL) | alike[:, None]", "(motion.abs() < 0)"),
    ),
    *of(
        _HERE + "model.py",
        f"{_HERE}test_tracking.py {_WORLD}",
        ("track of the end", "Track.of(frames[:, 0])", "Track.of(frames[:, -1])"),
        ("track a frame early", "track.step(frames[:, t + 1], found[:, t])", "track.step(frames[:, t], found[:, t])"),
    ),
    *of(
        _HERE + "model.py",
        f"{_HERE}test_model.py {_HERE}test_actor.py {_WORLD}",
        ("actor untrained", "total, parts = total + actor,", "total, parts = total,"),
        ("action not remembered", "state.motion, state.action = motion, vector", "state.motion = motion"),
        (
            "shown action forgotten",
            "state.motion, state.action = motion, self.vectors(action)",
            "state.motion = motion",
        ),
        ("actor not drawn", "action, motions, in_place)", "action, motions)"),
        ("chains for ever", "if (t - _LEADING + 1) % length == 0:", "if False:"),
        (
            "motion seen",
            "past = torch.cat([frames[:, :1], frames[:, :-1]], 1)",
            "past = torch.cat([frames[:, 1:], frames[:, -1:]], 1)",
        ),
        ("own frames not written", "state.before, state.last = state.last, picture", "state.before = state.last"),
        ("agent on the canvas", " * (made.mix.detach()[:, 1:2] < IN_PLACE)", ""),
        ("unknown like known", "weights = 1 + self.config.new_weight * (1 - made.known)", "weights = 1"),
        ("paint alone unlearned", "return error + 0.5 * alone", "return error"),
        ("edges do not count", " + self.config.edges_weight / 2 * edges", ""),
    ),
    *of(
        _HERE + "painter.py",
        f"{_HERE}test_painter.py {_HERE}test_actor.py {_HERE}test_model.py {_WORLD}",
        ("unknown canvas mixed", "_BARRED * (1 - known)", "0 * (1 - known)"),
        ("never decided", "(1 if self.training else _DECISIVE)", "1"),
        ("paint from nothing", "paint = seen + made[:, 3:]", "paint = made[:, 3:]"),
        ("actor as the last frame", "(last if in_place is None else in_place)", "last"),
        ("candidates lost", "_RANGE * torch.tanh(made[:, :3] / _RANGE)", "made[:, :3]"),
    ),
    *of(
        _HERE + "motion.py",
        f"{_HERE}test_motion.py {_WORLD}",
        ("roundings lost", "wanted = shift + owed", "wanted = shift"),
        ("cuts made up for", "torch.where(rest.norm(dim=1, keepdim=True) > _LOST, 0.0, rest)", "rest"),
        ("stillness is no code", "    codes[0] = 0\n    return codes", "    return codes + 0.01"),
        ("targets wide", "(2 * softness * softness)", "(2 * softness)"),
    ),
    *of(
        "models/world/canvas.py",
        _WORLD,
        ("owed never", "tokens, self._owed = to_codes(shifts", "tokens, _ = to_codes(shifts"),
        (
            "dreams forget what they owe",
            "        self._owed = self._owed.index_copy(0, rows_there, other._owed)\n",
            "",
        ),
        (
            "action of the frame",
            "tokens[:, t], actions[:, t - 1]))",
            "tokens[:, t], actions[:, t % actions.shape[1]]))",
        ),
        ("memory stands still", "self._memory = self._next", "pass"),
        ("seen counts as unseen", "return 1 - known[:, 0]", "return known[:, 0]"),
    ),
    *of(
        _HERE + "sheet.py",
        f"{_HERE}test_sheet.py {_HERE}test_model.py {_WORLD}",
        ("the window moves along", "target = self.offset - shift", "target = self.offset + shift"),
        ("fractions are lost", "self.offset = target - whole", "self.offset = target * 0"),
        (
            "known is written over",
            "(self.known[middle] < 0.5) | (laid[:, 3:] > 0.5)",
            "(self.known[middle] > -1) | (laid[:, 3:] > 0.5)",
        ),
        (
            "changes are not written",
            "put = ((self.known[middle] < 0.5) | (laid[:, 3:] > 0.5))",
            "put = (self.known[middle] < 0.5)",
        ),
        ("unknown is dark", "(read[:, :3] / share.clamp(min=0.5))", "read[:, :3]"),
        ("rolls around", "result = torch.zeros_like(clip)", "result = clip.clone()"),
        (
            "read and written alike",
            "laid = _window(both, 2 - self.offset, size)",
            "laid = _window(both, 2 + self.offset, size)",
        ),
        ("linear taps", "near = ((_A + 2) * x - (_A + 3)) * x * x + 1", "near = 1 - x"),
    ),
)
