"""Play, learn, measure, report: each stage is one call of a job, timed, and skipped where its result is there.

An interrupted demo goes on where it stopped: collection and training resume by themselves, and finished stages
keep their times in `stages.json`.
"""

import dataclasses
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from genieredux.collect import CollectConfig, collect
from genieredux.demo.config import DemoConfig
from genieredux.demo.sharing import shared, spread
from genieredux.demo.summary import write_summary
from genieredux.dreams.prompts import prompts_of
from genieredux.episodes import Dataset
from genieredux.evaluation.config import EvalJobConfig
from genieredux.evaluation.headline import Evaluated
from genieredux.evaluation.job import evaluate_file
from genieredux.models.build import needs_tokenizer, settings_known, settings_of
from genieredux.models.checkpoint import load_model
from genieredux.models.world.file import write_world
from genieredux.models.world.model import WorldModel
from genieredux.report import PageWords, training_curves, write
from genieredux.runs import RunFolder
from genieredux.runs.files import write_text
from genieredux.runs.progress import ProgressLine
from genieredux.training import train
from genieredux.training.config import TrainConfig
from genieredux.training.jobs import JobConfig
from genieredux.training.kinds.materials import load_tokenizer
from genieredux.training.kinds.tokens import build_token_cache
from genieredux.training.sources import trainable

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Made:
    """The files that a demo leaves."""

    report: Path
    results: Path
    film: Path
    world: Path


def run_demo(config: DemoConfig, command: Sequence[str] = ()) -> Made:
    """Run the pipeline into `config.out`. Raises UserError for what a user can mend."""
    check_models(config)
    out = Path(config.out)
    run = RunFolder(out, list(command) or None).begin(dataclasses.asdict(config))
    with run.lock():
        stages = Stages(out / "stages.json")
        spec = CollectConfig(config.connector, str(out / "datasets"), config.seed)
        path = stages.run("play", lambda: collect(spec).path)
        dataset = Dataset.open(str(path))
        dynamics_job = _placed(config, config.dynamics, path)
        if not of_tokens(dynamics_job):
            dynamics_job = dataclasses.replace(dynamics_job, train=shared(dynamics_job.train))
        jobs = [dynamics_job]
        if of_tokens(dynamics_job):
            tokenizer_job = _placed(config, config.tokenizer, path)
            tokenizer = stages.run("tokenizer", lambda: train(tokenizer_job).model_path)
            dynamics_job = dataclasses.replace(dynamics_job, tokenizer_fpath=str(tokenizer))
            stages.run("token cache", lambda: _cache(run, dataset, tokenizer, dynamics_job.train))
            jobs = [tokenizer_job, dynamics_job]
        model = stages.run("dynamics", lambda: train(dynamics_job).model_path)
        world = write_world(
            out / "world.pt",
            model,
            prompts_of(WorldModel.load(model), path, config.num_prompts, config.seed),
            sampling=config.sampling,
            precision=config.world_precision,
            about={"made_with": " ".join(command), "seed": config.seed},
        )
        made = stages.run("evaluation", lambda: _measure(world, dataset, config))
        write_summary(made.results, stages.seconds)
        page = write(out, _page_words(run, config, dataset, stages, jobs))
    assert made.film is not None  # a world has films
    return Made(page, made.results, made.film, world)


class Stages:
    """Runs stages, says so, and remembers how long each took over all executions."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seconds: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}

    def run(self, name: str, job: Callable[[], T]) -> T:
        """`job()`, its seconds added to what earlier executions of the stage took."""
        log.info("%s ...", name)
        began = time.perf_counter()
        try:
            return job()
        finally:
            spent = time.perf_counter() - began
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 1)
            text = json.dumps(self.seconds)
            write_text(self._path, text)
            log.info("%s: %.0f s", name, spent)


def of_tokens(job: JobConfig) -> bool:
    """Whether the dynamics stands on a tokenizer; where latent actions steer it, its settings are a part of theirs."""
    return needs_tokenizer(job.kind, {"dynamics": job.dynamics} if job.kind == "genie_redux" else job.dynamics)


def check_models(config: DemoConfig) -> None:
    """Raises UserError for settings that no model can be made of, before anything is played. What begins with a file is
    not looked at: that completes them."""
    size = config.connector.image_size
    for job in [config.dynamics, *([config.tokenizer] if of_tokens(config.dynamics) else [])]:
        given = {"tokenizer": job.tokenizer, "lam": {} if job.lam_fpath else job.lam, "dynamics": job.dynamics}
        for part, values in given.items() if job.model_fpath is None else ():
            if values:
                sized = {"image_size": size} if "image_size" in settings_known(part, values) else {}
                settings_of(part, sized | values)


def _placed(config: DemoConfig, job: JobConfig, dataset: Path) -> JobConfig:
    """The job with the demo's data, folder and seed."""
    train = dataclasses.replace(
        job.train, dataset_root_dpath=str(dataset.parent), dataset_name=dataset.name, seed=config.seed
    )
    return dataclasses.replace(job, train=train, checkpoints_dpath=str(Path(config.out) / "checkpoints"))


def _cache(run: RunFolder, dataset: Dataset, path: str | Path, cfg: TrainConfig) -> None:
    """In float32, which gives the tokens that play and evaluation see; a cache that an older run began in bf16 goes on
    so."""
    precision = run.measured("token_precision", lambda: "32")
    tokenizer = load_tokenizer(load_model(path, expect="tokenizer").model)
    build_token_cache(trainable(dataset), tokenizer, cfg, precision=precision)


def _measure(world: Path, dataset: Dataset, config: DemoConfig) -> Evaluated:
    """The same job as `genie_redux eval`, into the demo's own folder."""
    settings = EvalJobConfig(
        **dataclasses.asdict(config.eval),
        model_fpath=str(world),
        dataset_root_dpath=str(Path(dataset.path).parent),
        dataset_name=Path(dataset.path).name,
        split=config.split,
        num_clips=config.num_clips,
        metrics=config.metrics,
    )
    with ProgressLine("evaluation", config.num_clips, unit="clip") as line:
        return evaluate_file(
            spread(settings), dataset, lambda done, total, name: line.advance_to(done, total), folder=Path(config.out)
        )


def _page_words(
    run: RunFolder, config: DemoConfig, dataset: Dataset, stages: Stages, jobs: Sequence[JobConfig]
) -> PageWords:
    played = int(trainable(dataset).lengths.sum())
    return PageWords(
        title=config.title,
        summary="Left: what the game did. Beside it: what the world model dreamed from the same two frames and "
        "the same actions, on levels it never saw.",
        set_notes={
            "test.random": "unseen levels, a new random action at every step",
            "test.held": "unseen levels, every random action held for 4 to 8 steps",
        },
        training=training_curves({job.model: RunFolder(job.folder).history("train", "validate") for job in jobs}),
        commands=(
            ("walk in this world", f"genieredux play world={run.path / 'world.pt'}"),
            ("make it again", run.resume_command()),
        ),
        facts=(
            ("training frames", f"{played:,}"),
            ("seed", str(config.seed)),
            *((name, f"{seconds:.0f} s") for name, seconds in stages.seconds.items()),
        ),
    )
