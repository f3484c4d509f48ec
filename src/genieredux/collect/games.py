"""Which games a connector means, which of them can be played here, and what is stored about each.

The catalogue answers (genieredux.retroact, and the list of ROMs in ale-py); no emulator is started.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from genieredux.collect.config import LABELS, CollectConfig, ConnectorConfig
from genieredux.envs import CANONICAL, GameFacts, ale, describe
from genieredux.envs.actions import button_masks
from genieredux.errors import UserError
from genieredux.retroact import Game, catalogue, find, resolve, select
from genieredux.retroact.roms import present_roms
from genieredux.retroact.words import CONTROLS, RETROACT

log = logging.getLogger(__name__)

IMPORT_ROMS = "genieredux retroact import-roms FOLDER"
"""The command that brings ROMs in."""

_NO_ROM = "no ROM here"
_NAMES_SHOWN = 5


def configured_games(connector: ConnectorConfig) -> tuple[str, ...]:
    """The games that a connector means, whether they can be played here or not.

    Those it names; else all that fit its filters, sorted by name. Games of stable-retro's catalogue are written as
    the catalogue does, without -v0. Raises `UserError` at a word that no label has, and where no game fits.
    """
    if connector.kind == "ale":
        return _atari_games(connector)
    if connector.games:
        if connector.kind != "retro":
            return connector.games
        own = "rom_folder" in connector.options  # may hold integrations that the catalogue does not know
        return _distinct([game if own and not find(game) else resolve(game).name for game in connector.games])
    return _first(connector, [game.name for game in _fitting(connector)])


def playable_games(cfg: CollectConfig) -> dict[str, GameFacts]:
    """Configured name -> facts, for every configured game that can be played here, in order.

    What is left out is said in a log line a reason. Raises `UserError` where a game that must be there is not (see
    `ConnectorConfig.skips_missing`), and where none is left.
    """
    connector = cfg.connector
    wanted = configured_games(connector)
    present = _present(connector)
    games: dict[str, GameFacts] = {}
    left_out: dict[str, list[str]] = {}
    for game in wanted:
        if present is not None and game not in present and connector.skips_missing:
            left_out.setdefault(_NO_ROM, []).append(game)
            continue
        try:
            games[game] = _facts(connector, game)
        except UserError as error:
            if not connector.skips_missing:
                raise
            left_out.setdefault(str(error), []).append(game)
    if not games and set(left_out) == {_NO_ROM}:
        raise UserError(f"none of the {len(wanted)} games has its ROM here; bring ROMs in with `{IMPORT_ROMS}`")
    for reason, names in left_out.items():
        log.warning("%s", _line(reason, names, len(wanted)))
    if not games:
        raise UserError(f"none of the {len(wanted)} games can be played here; the lines above say why")
    _distinct([facts.game for facts in games.values()])
    return games


def _fitting(connector: ConnectorConfig) -> list[Game]:
    """The games of the catalogue that fit the filters, sorted by name; n_games is not looked at."""
    _check_controls(connector)
    return [
        game
        for game in select(**{label: getattr(connector, label) for label in LABELS})
        if (not connector.published_only or game.labelled_by == RETROACT)
        and all((game.controls or {}).get(control) in words for control, words in connector.controls.items())
    ]


def _atari_games(connector: ConnectorConfig) -> tuple[str, ...]:
    if connector.games:
        return _distinct([ale.check_game(connector.env(game))[0] for game in connector.games])
    roms = ale.games()
    if set(connector.filters) - {"n_games"}:
        fitting = set(_fitting(connector))
        roms = tuple(rom for rom in roms if _twin(rom) in fitting)
    return _first(connector, roms)


def _first(connector: ConnectorConfig, games: Sequence[str]) -> tuple[str, ...]:
    if not games:
        asked = ", ".join(f"{name}={getattr(connector, name)}" for name in connector.filters)
        raise UserError(f"connector: no game fits {asked}; `genieredux retroact list` shows the labels of all")
    return tuple(games[: connector.n_games])


def _present(connector: ConnectorConfig) -> set[str] | None:
    """Games that have a ROM here; None where only trying can tell."""
    if connector.kind != "retro" or "rom_folder" in connector.options:
        return None
    return {game.removesuffix("-v0") for game in present_roms()}


def _facts(connector: ConnectorConfig, game: str) -> GameFacts:
    facts = describe(connector.env(game))
    known = {"retro": find, "ale": _twin}.get(connector.kind, lambda _: None)(facts.game)
    if known and connector.kind == "retro":  # also where the console has no such button
        button_masks(connector.action_names or CANONICAL, known.buttons, known.console)
    tags = connector.tags.get(game) or connector.tags.get(facts.game) or (known.tags if known else ())
    return replace(facts, tags=tuple(tags))


def _twin(rom: str) -> Game | None:
    """The catalogue's game for a ROM of ale-py: `montezuma_revenge` is MontezumaRevenge-Atari2600."""
    return find(f"{rom.replace('_', '')}-Atari2600")


def _distinct(games: Sequence[str]) -> tuple[str, ...]:
    for game in games:
        if games.count(game) > 1:
            raise UserError(f"connector.games names '{game}' twice, in two spellings")
    return tuple(games)


def _check_controls(connector: ConnectorConfig) -> None:
    known = {key: {game.controls[key] for game in catalogue() if game.controls} for key in CONTROLS}
    for control, words in connector.controls.items():
        if control not in known:
            raise UserError(f"connector.controls: there is no control '{control}'; all: {', '.join(CONTROLS)}")
        if unknown := sorted(set(words) - known[control]):
            raise UserError(
                f"connector.controls.{control}: no game has '{unknown[0]}'; all: {', '.join(sorted(known[control]))}"
            )


def _line(reason: str, names: Sequence[str], of: int) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN]) + (f" and {len(names) - _NAMES_SHOWN} more" * (len(names) > _NAMES_SHOWN))
    if reason == _NO_ROM:
        return f"left out {len(names)} of {of} games, whose ROMs are not here ({shown}); `{IMPORT_ROMS}` brings them"
    return f"left out {shown}: {reason}"
