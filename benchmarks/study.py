"""What makes a world model good at a size that two CPU cores can train: one change at a time, on CoinRun.

    python benchmarks/study.py run --root runs/study              # everything that is not done yet; hours
    python benchmarks/study.py run --only base action --seeds 0   # one experiment and one question, one seed
    python benchmarks/study.py table --root runs/study            # the tables of docs/results.md

Every experiment trains for the same number of updates on the same data and tokens, is evaluated on the same clips with
the same noise, and leaves one JSON file; an interrupted one goes on from its checkpoint, a finished one is not done
again. A question is a list of experiments that differ from BASE in one thing. Experiments come in the order of
QUESTIONS, all with the first seed before any with the next.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genieredux.collect import CollectConfig, ConnectorConfig, GeneratorConfig, SplitConfig, collect
from genieredux.episodes import Dataset
from genieredux.evaluation.config import EvalJobConfig
from genieredux.evaluation.job import evaluate_file
from genieredux.runs.files import write_atomically
from genieredux.training.config import CosineConfig, OptimizerConfig, TrainConfig, WarmupConfig
from genieredux.training.jobs import JobConfig
from genieredux.training.run import train

TOKENIZER = {"architecture": "conv", "patch_size": 8, "encoder_width": 96, "encoder_blocks": 2, "decoder_width": 128}
DYNAMICS = {
    "architecture": "st_maskgit",
    "dim": 128,
    "blocks": 4,
    "heads": 4,
    "dim_head": 32,
    "peg": False,
    "feedforwards_per_block": 1,
    "normalise_context": True,
    "conditioning": "add_every_block",
    "objective": "next_frame_shift",
    "clean_history": "all",
    "token_input": "codes",
    "logits": "tied",
    "stem": "conv",
    "tdce_weight": 0.0,
    "history_noise": 0.05,
}
"""What facts and first trials favoured; every experiment differs from it in what its name says."""
LAM = {"architecture": "conv", "width": 64}
CATEGORICAL = {"codebook": "categorical"}
NEAREST = {"codebook": "nearest", "quantizer": "ema"}
UPDATES = {"tokenizer": 3000, "genie_redux_guided": 1200, "latent_action_model": 1200, "genie_redux": 1200}
CLIPS = 96


@dataclass(frozen=True)
class Experiment:
    """One training run. changes: of the model's settings; lam_changes: of the latent action model that learns with it.
    tokenizer, lam: experiments whose result it begins with."""

    name: str
    model: str = "genie_redux_guided"
    changes: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: str = "vq"
    lam: str | None = None
    lam_changes: Mapping[str, Any] = field(default_factory=dict)


QUESTIONS: dict[str, list[Experiment]] = {
    "codebook": [
        Experiment("vq", "tokenizer", {"quantizer": "ema", "codebook_size": 1024, "codebook_dim": 16}),
        Experiment("vq-gradient", "tokenizer", {"quantizer": "gradient", "codebook_size": 1024, "codebook_dim": 16}),
        Experiment("fsq", "tokenizer", {"quantizer": "fsq", "fsq_levels": (8, 5, 5, 5)}),
    ],
    "objective": [
        Experiment("base"),
        Experiment("objective-published", changes={"clean_history": "none", "supervise": "masked"}),
        Experiment("objective-hidden-history", changes={"clean_history": "none"}),
        Experiment("objective-prefix", changes={"clean_history": "prefix"}),
        Experiment("objective-in-place", changes={"objective": "in_place"}),
        Experiment("objective-in-place-prefix", changes={"objective": "in_place", "clean_history": "prefix"}),
    ],
    "action": [
        Experiment("action-concat-input", changes={"conditioning": "concat_input"}),
        Experiment("action-concat-every-layer", changes={"conditioning": "concat_every_layer"}),
        Experiment("action-add-input", changes={"conditioning": "add"}),
        Experiment("action-film", changes={"conditioning": "film"}),
        Experiment("action-prepend", changes={"conditioning": "prepend"}),
    ],
    "tokens": [
        Experiment("input-ids", changes={"token_input": "ids"}),
        Experiment("input-both", changes={"token_input": "both"}),
        Experiment("logits-linear", changes={"logits": "linear"}),
        Experiment("no-stem", changes={"stem": "none"}),
    ],
    "latent": [
        Experiment("lam-categorical", "latent_action_model", CATEGORICAL),
        Experiment("lam-nearest-ema", "latent_action_model", NEAREST),
        Experiment("lam-nearest-gradient", "latent_action_model", {"codebook": "nearest", "quantizer": "gradient"}),
        Experiment("genie-redux-staged-categorical", "genie_redux", lam="lam-categorical"),
        Experiment("genie-redux-staged-nearest", "genie_redux", lam="lam-nearest-ema"),
        Experiment("genie-redux-joint-categorical", "genie_redux", lam_changes=CATEGORICAL),
        Experiment("genie-redux-joint-nearest", "genie_redux", lam_changes=NEAREST),
    ],
    "loss": [
        Experiment("tdce", changes={"tdce_weight": 1.0}),
        Experiment("decoder-loss", changes={"decoder_weight": 1.0}),
        Experiment("no-history-noise", changes={"history_noise": 0.0}),
    ],
    "architecture": [
        Experiment(
            "published-whole",
            changes={
                "conditioning": "concat_input",
                "clean_history": "none",
                "supervise": "masked",
                "mask_ratio_per": "batch",
                "token_input": "both",
                "logits": "linear",
                "stem": "none",
                "gradient_shrink": 0.1,
                "history_noise": 0.0,
                "normalise_context": False,
                "peg": True,
                "feedforwards_per_block": 2,
            },
        ),
        Experiment("history-refiner", changes={"architecture": "history_refiner"}),
        Experiment("base-fsq", tokenizer="fsq"),
    ],
}


class Study:
    """The experiments of one folder."""

    def __init__(self, root: Path, frames: int, scale: float) -> None:
        """frames: of the training data. scale: of the number of updates; 1 is what the results are of."""
        self.root, self.frames = root, frames
        self.updates = {model: max(2, round(count * scale)) for model, count in UPDATES.items()}

    def dataset(self) -> Dataset:
        """Random and held play on 2,000 levels, and test clips on others; collected once."""
        connector = ConnectorConfig(
            name="coinrun",
            kind="procgen",
            games=("coinrun",),
            dname="study",
            generator_config=GeneratorConfig(n_steps_max=500),
            splits=(
                *(
                    SplitConfig("train", variant, 0, n_instances=2000, n_frames=self.frames // 2)
                    for variant in ("random", "held")
                ),
                SplitConfig("test.random", "random", 100_000, n_instances=48),
                SplitConfig("test.held", "held", 100_000, n_instances=48),
            ),
        )
        return Dataset.open(str(collect(CollectConfig(connector, str(self.root / "datasets"))).path))

    def run(self, experiment: Experiment, seed: int) -> None:
        """Train and measure, unless that is done."""
        if self.result(experiment.name, seed).exists():
            return
        say(f"{experiment.name}, seed {seed}")
        began = time.perf_counter()
        made = train(self.job(experiment, seed))
        seconds = time.perf_counter() - began
        steps = [line for line in made.history if "steps_per_s" in line]
        facts = {
            "experiment": experiment.name,
            "model": experiment.model,
            "seed": seed,
            "updates": made.last_step,
            "training_seconds": round(made.seconds, 1),
            "seconds": round(seconds, 1),
            "steps_per_s": statistics.median(line["steps_per_s"] for line in steps) if steps else None,
            "validation": [line for line in made.history if line["event"] == "validate"][-1],
            "sample": next((line for line in reversed(made.history) if line["event"] == "sample"), None),
            "evaluation": self.evaluate(experiment, seed, made.model_path),
        }
        path = self.result(experiment.name, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(json.dumps(facts, indent=1, default=str).encode()) and None)

    def evaluate(self, experiment: Experiment, seed: int, model: Path) -> dict[str, Any]:
        """results.json's means of the model on the test clips; GenieRedux by its own codes, and by buttons."""
        found = {}
        for latent in (False, True) if experiment.model == "genie_redux" else (False,):
            config = EvalJobConfig(
                model_fpath=str(model),
                num_clips=CLIPS,
                keep_clips=2,
                keep_extremes=0,
                metrics=(),
                choice="mean",
                latent_actions=latent,
                save_root_dpath=str(self.root / "evaluation" / f"{experiment.name}-{seed}-{latent}"),
            )
            made = evaluate_file(config, self.dataset())
            numbers = json.loads(made.results.read_text())
            found["codes" if latent else "actions"] = {name: of for name, of in numbers.items() if name != "made_by"}
        return found

    def job(self, experiment: Experiment, seed: int) -> JobConfig:
        """The training job of an experiment."""
        updates = self.updates[experiment.model]
        job = JobConfig(model=experiment.model, run_name=f"{experiment.name}-{seed}")
        job.checkpoints_dpath = str(self.root / "checkpoints")
        changes = dict(experiment.changes)
        if experiment.model == "tokenizer":
            job.tokenizer = {**TOKENIZER, **changes}
        elif experiment.model == "latent_action_model":
            job.lam = {**LAM, **changes}
        else:
            job.tokenizer_fpath = str(self.model("tokenizer", experiment.tokenizer, 0))
            job.dynamics = changes if changes.get("architecture") == "history_refiner" else {**DYNAMICS, **changes}
            job.lam, job.lam_weight = {**LAM, **experiment.lam_changes}, 0.0 if experiment.lam else 1.0
            if changes.get("architecture") == "history_refiner":
                job.dynamics |= {"dim": 128, "group": 2, "local_width": 64}
        if experiment.lam:
            job.lam_fpath = str(self.model("latent_action_model", experiment.lam, seed))
        frames = 1 if experiment.model == "tokenizer" else 12
        job.train = TrainConfig(
            dataset_root_dpath=str(self.root / "datasets"),
            dataset_name="coinrun_v0.0.0_study",
            num_frames=frames,
            batch_size=48 if experiment.model == "tokenizer" else 4,
            num_train_steps=updates,
            save_model_every=250,
            validate_every=updates // 2,
            max_valid_size=96,
            log_every=50,
            precision="bf16",
            keep_last=1,
            seed=seed,
        )
        job.optimizer = OptimizerConfig(
            learning_rate=1e-3,
            weight_decay=0.01,
            max_grad_norm=1.0,
            warmup=WarmupConfig(0.1, 100),
            cosine=CosineConfig(None, 5e-5),
        )
        return job

    def model(self, kind: str, name: str, seed: int) -> Path:
        """The last model of an experiment."""
        return self.root / "checkpoints" / kind / f"{name}-{seed}" / f"model-{self.updates[kind]}.pt"

    def result(self, name: str, seed: int) -> Path:
        """Where an experiment's facts are."""
        return self.root / "results" / f"{name}-{seed}.json"

    def results(self, name: str) -> Iterator[dict[str, Any]]:
        """The facts of an experiment, seed by seed."""
        for path in sorted((self.root / "results").glob(f"{name}-[0-9]*.json")):
            yield json.loads(path.read_text())


def chosen(names: Sequence[str]) -> list[Experiment]:
    """The experiments of `names`, each of which is a question or an experiment, in their order."""
    every = {experiment.name: [experiment] for question in QUESTIONS.values() for experiment in question}
    every |= QUESTIONS
    if unknown := [name for name in names if name not in every]:
        sys.exit(f"no question or experiment {unknown[0]}; there are {', '.join(every)}")
    return [experiment for name in names for experiment in every[name]]


def say(text: str) -> None:
    """One line, at once."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("run", "table"))
    parser.add_argument("--root", type=Path, default=Path("runs/study"))
    parser.add_argument("--only", nargs="*", metavar="NAME", default=list(QUESTIONS), help="questions or experiments")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--frames", type=int, default=60_000)
    parser.add_argument("--threads", type=int, default=1, help="two runs of one thread do more than one run of two")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of updates, to try the script")
    args = parser.parse_args()
    study = Study(args.root, args.frames, args.scale)
    if args.action == "table":
        from study_table import tables

        sys.stdout.write(tables(study, QUESTIONS))
        return
    import torch

    torch.set_num_threads(args.threads)
    study.dataset()
    study.run(QUESTIONS["codebook"][0], 0)  # the tokenizer that the others need
    for seed in args.seeds:
        for experiment in chosen(args.only):
            if experiment.tokenizer != "vq":
                study.run(chosen([experiment.tokenizer])[0], 0)
            if experiment.lam:
                study.run(chosen([experiment.lam])[0], seed)
            study.run(experiment, seed)


if __name__ == "__main__":
    main()
