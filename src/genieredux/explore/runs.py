"""Where runs of the explorer lie, and which checkpoint of which run is meant.

<root_dpath>/001_auto_explore/
├── checkpoints/   model-<epoch>.pt  state-<epoch>.pt  model_best_reward.pt
├── outputs/gifs/  films of episodes
└── config.yaml  environment.json  log.jsonl  tensorboard/
"""

import re
from pathlib import Path

from genieredux.checking import nearest
from genieredux.errors import UserError
from genieredux.explore.config import CommonConfig
from genieredux.runs import RunFolder
from genieredux.runs.places import check_name, user_path
from genieredux.training.loop.saves import Saves

BEST = "model_best_reward"
_FOLDER = re.compile(r"(\d{3,})_.+")


def runs_in(root: Path) -> dict[int, Path]:
    """Number -> folder of the runs in `root`, ascending."""
    named = ((_FOLDER.fullmatch(path.name), path) for path in (root.iterdir() if root.is_dir() else ()))
    return dict(sorted((int(match.group(1)), path) for match, path in named if match and path.is_dir()))


def find_run(common: CommonConfig) -> Path:
    """The folder of the run that common.resume_id means; the newest where it is null. Raises UserError, naming those
    that there are."""
    root = user_path(common.root_dpath)
    known = runs_in(root)
    if not known:
        raise UserError(f"there is no run in {root} (common.root_dpath); train one: genieredux auto_explore train ...")
    number = max(known) if common.resume_id is None else common.resume_id
    if number not in known:
        names = ", ".join(f"{one} ({path.name})" for one, path in known.items())
        raise UserError(f"common.resume_id is {number}, and {root} has no such run; there are: {names}")
    return known[number]


def new_run(common: CommonConfig) -> Path:
    """The folder of a run that is to be begun; nothing is made."""
    root = user_path(common.root_dpath)
    number = max(runs_in(root), default=0) + 1
    return root / f"{number:03d}_{check_name(common.name, 'common.name')}"


def folder_of(path: Path, command: list[str], settings: object = None, numbered: bool = True) -> RunFolder:
    """The run folder. The command that goes on with it says its number; not numbered: it is `command` as it is."""
    words = list(command)
    if numbered:
        resume = ("common.resume_id=", "common.resume_ckpt_id=")
        words = [word for word in words if not word.lstrip("+-").startswith(resume)]
        words.append(f"common.resume_id={int(path.name.partition('_')[0])}")
    run = RunFolder(path, words, settings)
    run.media = path / "outputs" / "gifs"
    return run


class ExploreSaves(Saves):
    """The checkpoints of a run of the explorer."""

    def __init__(self, path: Path, keep_last: int) -> None:
        super().__init__(path / "checkpoints", keep_last)

    @property
    def best_path(self) -> Path:
        """That of the highest return, by its published name."""
        return self.folder / f"{BEST}.pt"


def find_checkpoint(run: Path, name: str | None) -> Path:
    """The checkpoint of a run by its name, without or with its ending; the best where it is None, or the newest where
    there is no best yet. Raises UserError, naming those that there are."""
    folder = run / "checkpoints"
    known = {path.stem: path for path in sorted(folder.glob("model*.pt"))}
    if not known:
        raise UserError(f"{run} has no checkpoint yet; go on with its training: common.resume_id={run.name[:3]}")
    if name is None:
        return known.get(BEST) or max(known.values(), key=lambda path: path.stat().st_mtime_ns)
    stem = name.removesuffix(".pt")
    if stem not in known:
        raise UserError(
            f"common.resume_ckpt_id is '{name}', and {folder} has no such checkpoint; did you mean "
            f"{nearest(stem, known)}? (there are: {', '.join(known)})"
        )
    return known[stem]
