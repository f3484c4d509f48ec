"""Commands that leave files, for the crash sweep: what each starts from, its words, and what its result is.

All are small enough for a second or two on one core: the built-in toy game, two steps of training, two clips.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOY = """\
# @package _global_.config
connector:
  name: toy
  kind: fake
  games: [toy]
  image_size: 16
  generator_config: {n_steps_max: 20, n_workers: 1}
  splits:
    - {name: train, variant: random, n_instances: 4, n_sessions: 1}
    - {name: validation, variant: random, start_level: 500, n_instances: 1, n_sessions: 1}
    - {name: test.random, variant: random, start_level: 1000, n_instances: 2, n_sessions: 1}
"""
TRAIN = tuple(
    f"train.{key}"
    for key in (
        *("num_frames=6", "batch_size=2", "num_train_steps=4", "log_every=1", "save_model_every=2", "validate_every=2"),
        *("max_valid_size=2", "precision=32", "accelerator=cpu", "tensorboard=false", "samples=0", "keep_last=2"),
    )
)
TOKENIZER = "tokenizer.architecture=conv tokenizer.image_size=16 tokenizer.codebook_size=16 tokenizer.encoder_width=8 "
TOKENIZER += "tokenizer.decoder_width=8"
DYNAMICS = "dynamics.dim=16 dynamics.heads=2 dynamics.dim_head=8 dynamics.history_blocks=1 dynamics.local_width=8 "
DYNAMICS += "dynamics.group=2"
EVAL = "eval.num_clips=2 eval.keep_clips=1 eval.keep_extremes=0 eval.resamples=20 eval.sample_num_frames=3 "
EVAL += "eval.delta_psnr_horizon=2 eval.metrics=[] eval.precision=32 eval.accelerator=cpu eval.seq_step=50"


@dataclass(frozen=True)
class Scenario:
    """words: of a command. prepare: makes what is there before, in the working folder. look: the result as a text that
    two right runs share. readers: commands that read what was left. call: what is done instead of a command, where
    nobody types it.
    """

    words: tuple[str, ...]
    prepare: Callable[[], Any]
    look: Callable[[], str]
    readers: tuple[tuple[str, ...], ...] = ()
    call: Callable[[], Any] | None = None


def import_everything(names: Sequence[str]) -> None:
    """What the commands of these scenarios import when they run, once for all forks."""
    from importlib import import_module

    modules = ["av", "cv2", "pyarrow.parquet"]
    if set(names) - {"compact", "import"}:  # those two need no torch
        rooms = ("collect", "training", "training.heads", "evaluation.job", "explore.train", "agent57.run", "play.web")
        modules += ["torch.utils.tensorboard", "genieredux.report", *(f"genieredux.{room}" for room in rooms)]
    for name in modules:
        import_module(name)


def configured() -> None:
    """The toy game's configuration, as a user's own file."""
    folder = Path("configs/generate/config")
    folder.mkdir(parents=True)
    (folder / "toy.yaml").write_text(TOY)


def collected() -> None:
    """A data set of seven short episodes, written without workers."""
    from square_data import write_square_dataset

    write_square_dataset(Path("datasets/toy"), episodes=8, length=12)


def tokenized() -> None:
    """A data set and a tokenizer of it."""
    collected()
    run("genie_redux", "train", *TRAIN, "train.dataset_name=toy", "model=tokenizer", *TOKENIZER.split(), "run_name=t")


def trained() -> None:
    """A data set, its tokenizer and a world, and a test split."""
    tokenized()
    run(*DYNAMICS_WORDS)


def filmed() -> None:
    """A folder of two films with their actions."""
    import cv2
    import numpy as np

    folder = Path("films")
    folder.mkdir()
    for name in ("one", "two"):
        film = cv2.VideoWriter(str(folder / f"{name}.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (16, 16))
        for shade in range(8):
            film.write(np.full((16, 16, 3), 20 * shade, np.uint8))
        film.release()


def run(*words: str) -> None:
    """A command that has to work."""
    from genieredux.cli.main import run as run_command

    code = run_command(list(words))
    if code:
        raise RuntimeError(f"{' '.join(words)} ended with {code}")


def episodes_of(name: str) -> Callable[[], str]:
    """Every episode's checksum, split and frames, once each, of a data set that verifies."""

    def look() -> str:
        from genieredux.episodes import Dataset

        data = Dataset.open(f"datasets/{name}")
        rows = []
        for index, row in enumerate(data.index.to_pylist()):
            frames = data.episode(index).frames
            rows.append([row["id"], row["checksum"], row["split"], hashlib.sha256(frames.tobytes()).hexdigest()[:12]])
        return json.dumps(sorted(rows))

    return look


def weights_and_losses() -> str:
    """Losses of every step and a digest of the last weights, of the run `w`."""
    (model,) = Path("checkpoints").glob("*/w/model-4.pt")
    return json.dumps([losses_of(model.parent / "log.jsonl"), of_model(model)])


def losses_of(log: Path) -> list[Any]:
    """Of every step, once each: a killed execution may have logged a step that is done again."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    newest = {line["step"]: line.get("loss") for line in lines if line["event"] == "train"}
    return sorted(newest.items())


def of_model(path: Path) -> list[str]:
    """Digests of all tensors of a model file."""
    import torch

    tensors: list[str] = []
    _digests(torch.load(path, weights_only=True), tensors)
    return sorted(tensors)


def _digests(value: Any, into: list[str]) -> None:
    if isinstance(value, Mapping):
        for item in value.values():
            _digests(item, into)
    elif hasattr(value, "numpy"):
        into.append(hashlib.sha256(value.detach().contiguous().numpy().tobytes()).hexdigest()[:12])


def results() -> str:
    """The numbers of an evaluation, without when and on what they were made."""
    (file,) = Path("results").rglob("results.json")
    values = json.loads(file.read_text())
    values.pop("made_by", None)
    page = (file.parent / "report.html").read_text()
    others = sorted(path.name for path in file.parent.iterdir() if not path.name.startswith("."))
    return re.sub(r"\d{4}-\d\d-\d\d[T ]\S+", "", json.dumps([values, others, page.count("<table")], sort_keys=True))


def compacted() -> str:
    """The episodes, and how many files hold them."""
    files = len(list(Path("datasets/toy/episodes").rglob("*.parquet")))
    return f"{files} files {episodes_of('toy')()}"


DYNAMICS_WORDS = (
    "genie_redux", "train", *TRAIN, "train.dataset_name=toy", "model=genie_redux_guided", *DYNAMICS.split(),
    "run_name=w", "tokenizer_fpath=checkpoints/tokenizer/t/model-4.pt",
)  # fmt: skip
EVAL_WORDS = (
    "genie_redux", "eval", "eval.dataset_name=toy", "eval.split=train", *EVAL.split(), "eval.save_root_dpath=results",
    "eval.model_fpath=checkpoints/genie_redux_guided/w/model-4.pt",
)  # fmt: skip
INFO = ("data", "info", "datasets/toy")
SCENARIOS = {
    "collection": Scenario(
        ("generate", "config=toy", "root=datasets", "seed=0"), configured, episodes_of("toy_v0.0.0"),
        (("data", "info", "datasets/toy_v0.0.0"),),
    ),
    "training": Scenario(
        DYNAMICS_WORDS, tokenized, weights_and_losses,
        (INFO, ("checkpoint", "info", "checkpoints/genie_redux_guided/w/model-4.pt")),
    ),
    "evaluation": Scenario(EVAL_WORDS, trained, results, (("report", "results"),)),
    "import": Scenario(
        ("data", "import-videos", "films", "name=films", "root=datasets", "image_size=16"), filmed,
        episodes_of("films"), (("data", "info", "datasets/films"),),
    ),
    "compact": Scenario(("data", "compact", "datasets/toy"), collected, compacted, (INFO,)),
}  # fmt: skip
