"""Which episodes a run learns from and which it validates on. Knows no model and no batch."""

import logging

import numpy as np

from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.training.config import DataConfig

logger = logging.getLogger(__name__)

HELD_OUT = 0.05  # share of the training levels (or episodes) that validate where the data set has no validation split


def open_dataset(cfg: DataConfig) -> Dataset:
    """The data set that train.dataset_root_dpath, dataset_name and n_envs say."""
    if not cfg.dataset_name:
        raise UserError(f"train.dataset_name is empty; name a data set in {cfg.dataset_root_dpath}")
    return choose_games(Dataset.open(f"{cfg.dataset_root_dpath.rstrip('/')}/{cfg.dataset_name}"), cfg.n_envs)


def choose_games(dataset: Dataset, n_envs: int, key: str = "train.n_envs") -> Dataset:
    """All games (0), the first n_envs by name, or the last -n_envs. key: what the user calls it."""
    games = sorted(set(dataset.index["game"].to_pylist()))
    if abs(n_envs) > len(games):
        raise UserError(f"{key} is {n_envs}; {dataset.path} has {len(games)} games, 0 takes all")
    if n_envs == 0:
        return dataset
    return dataset.select(game=games[:n_envs] if n_envs > 0 else games[n_envs:])


def trainable(dataset: Dataset) -> Dataset:
    """The episodes that a run may look at: those of the splits train and validation."""
    there = set(dataset.index["split"].to_pylist())
    return dataset.select(split=[name for name in ("train", "validation") if name in there] or "train")


def split_for_training(dataset: Dataset, num_frames: int) -> tuple[Dataset, Dataset]:
    """(training, validation) episodes: the splits of these names, else some training episodes held out.

    Test episodes are in neither. Held out are evenly spaced levels with an episode of num_frames frames or more, so
    that no level is in both (where a game has no levels: evenly spaced episodes); with one of them alone, training
    validates on it. A validation split without an episode that is long enough is not used, which is said.
    """
    training = dataset.select(split="train")
    if "validation" in dataset.index["split"].to_pylist():
        declared = dataset.select(split="validation")
        if int(declared.lengths.max()) >= num_frames:
            return training, declared
        logger.warning(
            "%s: no episode of the split validation has %d frames (the longest has %d); some of the training episodes "
            "are held out instead",
            dataset.path,
            num_frames,
            int(declared.lengths.max()),
        )
    levels = _levels(training)
    long_enough = np.flatnonzero(training.lengths >= num_frames)
    candidates = np.sort(long_enough[np.unique(levels[long_enough], return_index=True)[1]])
    if len(candidates) < 2:
        return training, training
    count = max(1, round(HELD_OUT * len(candidates)))
    out = np.isin(levels, levels[candidates[_evenly_spaced(len(candidates), count)]])
    return training.take(np.flatnonzero(~out)), training.take(np.flatnonzero(out))


def _levels(dataset: Dataset) -> np.ndarray:
    """int64 (episodes,): equal where two episodes play the same level. The index names it (`instance`); a game with one
    instance in all its episodes has no levels, and each of them counts for itself.
    """
    games = np.unique(np.array(dataset.index["game"].to_pylist(), dtype=str), return_inverse=True)[1]
    instances = dataset.index["instance"].to_numpy().astype(np.int64)
    levels = np.unique(np.stack([games, instances], 1), axis=0, return_inverse=True)[1].reshape(-1)
    for game in range(int(games.max()) + 1 if len(games) else 0):
        of_game = np.flatnonzero(games == game)
        if len(np.unique(instances[of_game])) == 1:
            levels[of_game] = len(dataset) + of_game
    return levels


def _evenly_spaced(length: int, count: int) -> np.ndarray:
    return (np.arange(count) * length + length // 2) // count
