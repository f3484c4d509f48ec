"""Which games a data set was meant to hold and does not."""

from collections.abc import Mapping
from typing import Any

from genieredux.collect.config import LABELS, ConnectorConfig
from genieredux.collect.games import configured_games
from genieredux.episodes import Dataset
from genieredux.errors import UserError

_CHOICE = ("kind", "games", *LABELS, "controls", "published_only", "n_games", "options", "action_names")


def missing_games(dataset: Dataset) -> tuple[str, ...]:
    """The games of the stored configuration without an episode here, in its order.

    Why they are not here (no ROM, given up, not yet played) is not stored. Empty where the data set was not collected,
    or its configuration cannot be read any more.
    """
    connector = dataset.spec.created_by.get("connector")
    if not isinstance(connector, Mapping):
        return ()
    here = {_plain(game) for game in dataset.index["game"].to_pylist()}
    return tuple(game for game in _configured(connector) if _plain(game) not in here)


def _configured(connector: Mapping[str, Any]) -> tuple[str, ...]:
    chosen = {key: connector[key] for key in _CHOICE if connector.get(key) is not None}
    try:
        return configured_games(ConnectorConfig(**chosen))
    except (UserError, TypeError):
        return ()


def _plain(game: str) -> str:
    return game.removesuffix("-v0").lower()
