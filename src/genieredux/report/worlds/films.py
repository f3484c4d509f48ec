"""Pictures of the page: sprites (each once), cards of clips with a lane per run, the control grid, strips of drift.

A sprite is a WebP with all frames of a film side by side: the page moves it for a film and shows it whole for a strip.
Differences are made by the browser from two sprites, so they weigh nothing. It knows frames, no numbers' meaning.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genieredux.evaluation.kept import KeptClips
from genieredux.pictures import column_labels, heat, sprite
from genieredux.report.html import number
from genieredux.report.worlds.folder import WORLD, Run

DRIFT_SHOWN = 13
"""Frames of a long dream that its strip shows."""
PARTS = {
    "even": "Spread evenly over the test set, not chosen",
    "worst": "Worst by PSNR gain over repeating the last frame",
    "best": "Best by PSNR gain over repeating the last frame",
}


@dataclass
class Sprites:
    """All sprites of a page, each once, up to a budget in characters."""

    budget: int
    weight: int = 0
    _uris: dict[str, str] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def add(self, films: Sequence[np.ndarray]) -> list[str] | None:
        """Names of the sprites of some films uint8 (T, h, w, 3), or None where they would exceed the budget."""
        keys = [
            hashlib.blake2b(film.tobytes() + str(film.shape).encode(), digest_size=12).hexdigest() for film in films
        ]
        new = {key: sprite(film) for key, film in zip(keys, films, strict=True) if key not in self._names}
        weight = sum(map(len, new.values()))
        if self.weight + weight > self.budget:
            return None
        self.weight += weight
        for key, uri in new.items():
            self._names[key] = f"s{len(self._names)}"
            self._uris[self._names[key]] = uri
        return [self._names[key] for key in keys]

    def css(self) -> str:
        """A rule for each."""
        return "\n".join(f".{name}{{background-image:url({uri})}}" for name, uri in self._uris.items())


def clip_groups(runs: Sequence[Run], sprites: Sprites) -> list[dict[str, Any]]:
    """Groups of cards: the clips spread evenly of every set, with a lane for each run that saw them, then the worst and
    best of every run. A group is {name, part, about, cards, left_out}.
    """
    top = _top_entropy(runs)
    groups = []
    names = list(dict.fromkeys(name for run in runs for name in run.kept))
    for name in names:
        here = [run for run in runs if "even" in run.kept.get(name, {})]
        by_clip: dict[str, list[tuple[Run, KeptClips, int]]] = {}
        for run in here:
            kept = run.kept[name]["even"]
            for k in range(len(kept)):
                by_clip.setdefault(_identity(kept, k), []).append((run, kept, k))
        groups.append(_group(name, "even", "", list(by_clip.values()), top, sprites))
    for name in names:
        for part in ("worst", "best"):
            for run in runs:
                ends = run.kept.get(name, {}).get(part)
                if ends is not None:
                    lanes = [[(run, ends, k)] for k in range(len(ends))]
                    groups.append(_group(name, part, run.name if len(runs) > 1 else "", lanes, top, sprites))
    return [group for group in groups if group["cards"] or group["left_out"]]


def control_grids(runs: Sequence[Run], sprites: Sprites, most_rows: int) -> list[dict[str, Any]]:
    """For each run {name, actions, frames, rows: names of sprites by prompt and action}; at most so many prompts."""
    found = []
    for run in runs:
        if run.control is None:
            continue
        rows = [names for frames in run.control[:most_rows] if (names := sprites.add(list(frames))) is not None]
        actions = list(run.action_names) or [str(index) for index in range(run.control.shape[1])]
        if rows:
            found.append({"name": run.name, "actions": actions, "frames": run.control.shape[2], "rows": rows})
    return found


def drift_strips(runs: Sequence[Run], sprites: Sprites) -> list[dict[str, Any]]:
    """For each set {name, columns, rows: (label, sprite)}: the first long clip, thinned; the truth and every dream."""
    found = []
    for name in dict.fromkeys(name for run in runs for name in run.drift):
        here = [run for run in runs if name in run.drift]
        first = here[0].drift[name]["truth"]
        given = min(here[0].prompt_frames, len(first[0]))
        at = np.unique(np.linspace(given - 1, len(first[0]) - 1, DRIFT_SHOWN).round().astype(int))
        columns = ["given" if t < given else f"+{t - given + 1}" for t in at.tolist()]
        films = [("truth", first[0])]
        for run in here:
            same = run.drift[name]["truth"].shape == first.shape and (run.drift[name]["truth"][0] == first[0]).all()
            if same:
                films.append((run.name if len(runs) > 1 else "dream", run.drift[name]["model"][0]))
        names = sprites.add([film[at] for _, film in films])
        if names is not None:
            rows = [(label, [sprite]) for (label, _), sprite in zip(films, names, strict=True)]
            found.append({"name": name, "columns": columns, "rows": rows})
    return found


def hero(groups: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The clip at the head of a page of one run: of those spread evenly over the last set the one that is most above
    repeating the last frame, for one in which nothing moves is easily true."""
    even = [group for group in groups if group["part"] == "even" and group["cards"]]
    return max(even[-1]["cards"], key=lambda card: card["lanes"][0]["value"]) if even else None


def _group(
    name: str,
    part: str,
    owner: str,
    clips: Sequence[Sequence[tuple[Run, KeptClips, int]]],
    top: float,
    sprites: Sprites,
) -> dict[str, Any]:
    cards = [card for lanes in clips if (card := _card(lanes, top, sprites)) is not None]
    return {
        "name": name,
        "part": part,
        "owner": owner,
        "about": PARTS[part],
        "cards": cards,
        "left_out": len(clips) - len(cards),
    }


def _card(lanes: Sequence[tuple[Run, KeptClips, int]], top: float, sprites: Sprites) -> dict[str, Any] | None:
    """One clip: its truth, and what each run drew. None where it does not fit any more."""
    run, kept, k = lanes[0]
    truth = kept.truth[k]
    given = min(run.prompt_frames, len(truth)) if kept.psnr.shape[1] < len(truth) else 0
    films = [truth]
    for _, of, row in lanes:
        films += [_drawn(of)[row], *([_unsure(of, row, given, top)] if _has_heat(of) else [])]
    names = sprites.add(films)
    if names is None:
        return None
    taken = [_action(run, action) for action in kept.actions[k].tolist()] if kept.actions.size else []
    rest = iter(names[1:])
    return {
        "index": int(kept.index[k]) if kept.index.size else k,
        "prompt_frames": given,
        "frames": len(truth),
        "columns": column_labels(given, len(truth)),
        # The action that led to each frame: none to the first.
        "actions": json.dumps(["", *taken]),
        "lanes": [
            _lane(run, of, row, given, names[0], next(rest), next(rest) if _has_heat(of) else None)
            for run, of, row in lanes
        ],
    }


def _has_heat(kept: KeptClips) -> bool:
    """Whether a frame has several tokens: the doubt of one is no picture."""
    return kept.entropy.size > int(np.prod(kept.entropy.shape[:2]))


def _drawn(kept: KeptClips) -> np.ndarray:
    """What the model drew: a dream, or of a tokenizer alone what it redrew."""
    return next((films for films in (kept.model, kept.tokenizer_only) if films.size), kept.truth)


def _action(run: Run, action: int) -> str:
    return run.action_names[action] if 0 <= action < len(run.action_names) else str(action)


def _lane(run: Run, kept: KeptClips, k: int, given: int, truth: str, drawn: str, unsure: str | None) -> dict[str, Any]:
    decibel = np.minimum(np.nan_to_num(kept.psnr[k]), 60.0) if kept.psnr.size else np.zeros(0)
    mean = float(decibel.mean()) if decibel.size else 0.0
    gain = float(kept.gain[k]) if kept.gain.size else None
    over = "" if gain is None else f", {number(gain, 2, signed=True)} over repeating"
    panels = [("truth", [truth]), ("dream" if run.kind == WORLD else "redrawn", [drawn]), ("error ×2", [truth, drawn])]
    return {
        "run": run.name,
        "value": mean if gain is None else gain,
        "mean": f"mean {number(mean, 2)} dB{over}" if decibel.size else "",
        "decibel": json.dumps([""] * given + [f"{value:.1f} dB" for value in decibel]),
        "panels": [*panels, *([("unsure", [unsure])] if unsure else [])],
    }


def _unsure(kept: KeptClips, k: int, given: int, top: float) -> np.ndarray:
    """The entropy of every token as heat, a pixel each; black where frames were given."""
    glow = heat(np.nan_to_num(kept.entropy[k]), kept.entropy.shape[-1], top)
    return np.concatenate([np.zeros((given, *glow.shape[1:]), np.uint8), glow])


def _top_entropy(runs: Sequence[Run]) -> float:
    """Nats at which the heat is brightest, one scale for the whole page."""
    found = [
        kept.entropy for run in runs for parts in run.kept.values() for kept in parts.values() if kept.entropy.size
    ]
    return max([0.1, *(float(np.quantile(np.nan_to_num(entropy), 0.995)) for entropy in found)])


def _identity(kept: KeptClips, k: int) -> str:
    actions = kept.actions[k] if kept.actions.size else kept.actions
    content = kept.truth[k].tobytes() + actions.astype("<i8").tobytes()
    return hashlib.blake2b(content, digest_size=12).hexdigest()


def top_entropy_words(runs: Sequence[Run]) -> str:
    """The scale of the heat, for the text."""
    return number(_top_entropy(runs), 1)
