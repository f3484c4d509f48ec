"""The page of an evaluation, in one file: films beside maps of doubt, where the agent was, how it learned.

Knows rollouts and numbers; report/ knows how pages look.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from genieredux.explore.coverage import places_of
from genieredux.explore.looking import Looked
from genieredux.explore.rollout import Rollout
from genieredux.explore.watching import watch
from genieredux.models.world.protocol import World
from genieredux.pictures import charts, data_uri, heat, webp
from genieredux.pictures.charts import Line
from genieredux.report.html import render_page
from genieredux.runs.files import write_text

FILMS = 4
"""Episodes that the page shows."""
_FILM_STEPS = 160
_MILLISECONDS = 66
_TILE = 8  # pixels of a tile on the map
_LEARNED = {
    "reward": "reward a step, in training",
    "return": "what an episode earns, on levels of its own",
    "furthest_x": "furthest x of an episode",
    "policy_entropy": "how undecided the policy is, nats",
}
"""Numbers of the log that are shown, where they are there."""


def doubt_maps(world: World, rollout: Rollout) -> tuple[NDArray[np.float32], bool]:
    """float32 (T, N, h, w), of the frame that each step led to, NaN where nobody saw it; and whether it is what the
    episode had not shown (S x S) or, in a world that keeps no record of that, the entropy of tokens in nats."""
    values: NDArray[np.float32] | None = None
    unseen = False
    for rows in watch(world, rollout, whole=True):
        unseen = rows.said.unseen is not None
        maps = (rows.said.entropy if rows.said.unseen is None else rows.said.unseen).cpu().numpy()
        if values is None:
            values = np.full((*rollout.shape, *maps.shape[1:]), np.nan, np.float32)
        values[rows.t, rows.n] = maps
    return (np.zeros((*rollout.shape, 1, 1), np.float32) if values is None else values), unseen


def beside_its_map(film: NDArray[np.uint8], maps: NDArray[np.float32], shown: int) -> NDArray[np.uint8]:
    """A film (T, H, W, 3) of which the first `shown` columns are the game, with the map (T, h, w) after those."""
    count = min(len(film), len(maps))
    values = np.nan_to_num(maps[:count])
    pictures = heat(values, film.shape[1], max(float(values.max(initial=0.0)), 1e-6))
    return np.concatenate([film[:count, :, :shown], pictures, film[:count, :, shown:]], 2)


class Page:
    """What the page needs of every episode, gathered while they are played."""

    def __init__(self, world: World) -> None:
        self._world, self._unseen, self._episodes = world, False, 0
        self._films: list[dict[str, Any]] = []
        self._visits: Counter[tuple[int, int]] = Counter()
        self._actions: Counter[int] = Counter()

    def add(self, looked: Looked, words: str) -> None:
        """One more episode, and a line on it. The first FILMS are shown."""
        rollout = looked.rollout
        for piece in rollout.pieces():
            self._visits.update(set(places_of(rollout, piece)))
        self._actions.update(rollout.actions[rollout.playing].tolist())
        if self._episodes < FILMS:
            maps, self._unseen = doubt_maps(self._world, rollout)
            film = beside_its_map(looked.film, maps[:, 0], looked.film.shape[1])[:_FILM_STEPS]
            picture = data_uri(webp(film, 70, _MILLISECONDS), "image/webp")
            self._films.append({"picture": picture, "number": self._episodes, "words": words})
        self._episodes += 1

    def write(self, path: Path, about: Mapping[str, Any], curve: Sequence[tuple[int, int, int]], log: Path) -> Path:
        """Write it. about: game, rewarded_for, checkpoint and numbers. curve: of the coverage. log: log.jsonl of the
        training, which need not be there."""
        total = max(sum(self._actions.values()), 1)
        shares = {name: self._actions[k] / total for k, name in enumerate(self._world.action_names)}
        values = {
            "game": about["game"],
            "summary": f"An agent rewarded for {about['rewarded_for']}; {self._episodes} episodes.",
            "facts": [(name, f"{value:,.4g}" if isinstance(value, float) else value) for name, value in about.items()],
            "about_maps": "what the episode had not shown before" if self._unseen else "the entropy of every token",
            "films": self._films,
            "map": self._map(),
            "coverage": [*_covered(curve), _figure("What it does", charts.bars(shares, "{:.0%}".format))],
            "training": _training(log),
        }
        return write_text(path, render_page("explore", values))

    def _map(self) -> dict[str, str] | None:
        """The tiles of all episodes, laid over each other; None where the game tells no positions."""
        if not self._visits:
            return None
        x, y = np.array(list(self._visits)).T
        grid = np.zeros((int(y.max() - y.min()) + 1, int(x.max() - x.min()) + 1))
        for (column, row), count in self._visits.items():
            grid[int(y.max()) - row, column - int(x.min())] = count
        words = (
            f"Tiles of {self._episodes} episodes over each other, from x = {int(x.min())} to {int(x.max())}: the "
            "brighter, the more episodes were there. Levels differ: what is a wall in one is open in another."
        )
        return {"picture": data_uri(webp([_painted(np.sqrt(grid))]), "image/webp"), "words": words}


def _painted(grid: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A map of any shape as pixels."""
    side = max(grid.shape)
    square = np.zeros((side, side))
    square[: grid.shape[0], : grid.shape[1]] = grid
    pixels = heat(square[None], side * _TILE, float(grid.max()))[0]
    return pixels[: grid.shape[0] * _TILE, : grid.shape[1] * _TILE]


def _covered(curve: Sequence[tuple[int, int, int]]) -> list[dict[str, Any]]:
    steps, cells, positions = np.array([(0, 0, 0), *curve], float).T
    lines = [("Cells that were seen", cells)] + ([("Tiles where it was", positions)] if positions.any() else [])
    return [
        _figure(title, charts.line_chart([Line(title, steps.tolist(), heights.tolist())], "steps", "distinct", True))
        for title, heights in lines
    ]


def _training(log: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []
    figures = []
    for key, title in _LEARNED.items():
        points = [(r["step"], r[key]) for r in records if isinstance(r.get(key), int | float) and "step" in r]
        if len(points) > 1:
            epochs, heights = zip(*points, strict=True)
            figures.append(_figure(title, charts.line_chart([Line(title, epochs, heights)], "epoch", title)))
    return figures


def _figure(title: str, svg: str) -> dict[str, Any]:
    return {"title": title, "svg": Markup(svg), "legend": ""}
