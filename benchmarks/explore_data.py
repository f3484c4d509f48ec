"""Whether what an explorer plays makes a world better than equally much of other play.

    python benchmarks/explore_data.py OUT [--seeds 0,1,2] [--pretrain 100] [--updates 80] [--episodes 60] [--agent FILE]
    python benchmarks/explore_data.py OUT --table

One world per seed learns from random play. From it every arm goes on for equally many updates, on equally many episodes
of the same levels: random, sticky (the action before repeated with chance 0.5), auto_explore (the agent that ships, or
--agent, with the papers' chance of 0.15 for a random action), and jumper (a strong player, for the ceiling). All are
evaluated on the same clips of another strong player, which no arm has seen, on levels of their own. The game is
CoinRun, the world a canvas of the quickstart's size. What is done is not done again.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from genieredux.collect import AgentConfig, CollectConfig, ConnectorConfig, GeneratorConfig, SplitConfig, collect
from genieredux.episodes import Dataset
from genieredux.evaluation.compare import compare
from genieredux.evaluation.config import EvalJobConfig
from genieredux.evaluation.job import evaluate_file
from genieredux.evaluation.numbers import read_parquet
from genieredux.training.config import CosineConfig, OptimizerConfig, TrainConfig, WarmupConfig
from genieredux.training.jobs import JobConfig
from genieredux.training.run import train

ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "random": ("random", {}),
    "auto_explore": ("auto_explore", {"checkpoint_fpath": "coinrun", "gamma": 0.15, "temperature": 1.0}),
    "sticky": ("random", {"sticky": 0.5}),
    "jumper": ("runners:Jumper", {}),
}
"""Name -> policy, and how it plays."""
TEST_LEVELS, ARM_LEVELS = 100_000, 10_000


class Study:
    """The experiments of one folder."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given, self.root = given, Path(given.out)

    def data(self, name: str, variant: str, agent: dict[str, Any], split: str, level: int, episodes: int) -> Path:
        """A data set of that many episodes, each on a level of its own."""
        connector = ConnectorConfig(
            name="coinrun",
            dname=name,
            variant=variant,
            kind="procgen",
            games=("coinrun",),
            image_size=64,
            generator_config=GeneratorConfig(episodes, episodes, 256, 1),
            agent=AgentConfig(**agent),
            splits=(SplitConfig(split, start_level=level),),
        )
        return collect(CollectConfig(connector, str(self.root / "datasets"), 0)).path

    def learned(self, seed: int, name: str, data: Path, updates: int, rate: float, start: Path | None) -> Path:
        """A world that learned from that data, from `start` or from nothing."""
        job = JobConfig(
            model="genie_redux_guided",
            run_name=f"{name}-{seed}",
            checkpoints_dpath=str(self.root / "checkpoints"),
            model_fpath=None if start is None else str(start),
            train=TrainConfig(
                dataset_root_dpath=str(data.parent),
                dataset_name=data.name,
                num_frames=16,
                batch_size=8,
                num_train_steps=updates,
                save_model_every=updates,
                validate_every=updates,
                max_valid_size=8,
                keep_last=1,
                seed=seed,
                precision="32",
                accelerator="cpu",
                samples=0,
                tensorboard=False,
            ),
            optimizer=OptimizerConfig(
                learning_rate=rate,
                betas=(0.9, 0.98),
                weight_decay=1e-2,
                max_grad_norm=1.0,
                warmup=WarmupConfig(0.1, 10),
                cosine=CosineConfig(None, rate / 10),
            ),
            dynamics={"architecture": "canvas"},
        )
        return train(job).model_path

    def measured(self, name: str, seed: int, world: Path, test: Path) -> Path:
        """The folder with its numbers of every clip."""
        folder = self.root / "results" / f"{name}-{seed}"
        if not (folder / "done.json").is_file():
            settings = EvalJobConfig(
                model_fpath=str(world),
                dataset_root_dpath=str(test.parent),
                dataset_name=test.name,
                num_clips=self.given.clips,
                metrics=("ST-LPIPS",),
                eval_control=False,
                accelerator="cpu",
            )
            made = evaluate_file(settings, Dataset.open(str(test)), folder=folder)
            (folder / "done.json").write_text(json.dumps(made.lines))
            print(name, seed, *made.lines, sep="\n  ", flush=True)
        return folder

    def run(self, seed: int) -> None:
        """One seed: of the worlds; the episodes are the same for all."""
        given = self.given
        if given.agent:
            ARMS["auto_explore"][1]["checkpoint_fpath"] = given.agent
        test = self.data("test", "runners:Runner", {}, "test.runner", TEST_LEVELS, 48)
        base = self.data("base", "random", {}, "train", 0, given.episodes)
        before = self.learned(seed, "base", base, given.pretrain, 1.5e-3, None)
        self.measured("base", seed, before, test)
        for arm, (variant, agent) in ARMS.items():
            data = self.data(arm, variant, agent, "train", ARM_LEVELS, given.episodes)
            world = self.learned(seed, arm, data, given.updates, 1e-3, before)
            self.measured(arm, seed, world, test)

    def table(self) -> None:
        """Every arm less the random one, on the same clips, seed by seed."""
        print("| seed | arm | frames of play | PSNR | less random's | SSIM | less random's |")
        print("|---|---|---|---|---|---|---|")
        for folder in sorted((self.root / "results").iterdir()):
            arm, _, seed = folder.name.rpartition("-")
            numbers = self._numbers(folder)
            apart = compare(self._numbers(self.root / "results" / f"random-{seed}"), numbers)
            played = self.root / "datasets" / f"coinrun_v0.0.0_{arm}"
            cells = [seed, arm, f"{sum(Dataset.open(str(played)).lengths):,}"]
            for metric in ("psnr", "ssim"):
                values = next(iter(numbers.values())).values[metric]["model"]
                gap = next(iter(apart.values())).differences[metric]["model"].average
                cells += [
                    f"{values.mean():.3f}",
                    f"{float(gap.mean):+.3f} [{float(gap.low):+.3f}, {float(gap.high):+.3f}]",
                ]
            print(f"| {' | '.join(cells)} |")

    def _numbers(self, folder: Path) -> dict[str, Any]:
        return read_parquet(folder / "clips.parquet")


def main() -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--pretrain", type=int, default=100)
    parser.add_argument("--updates", type=int, default=80)
    parser.add_argument("--episodes", type=int, default=60)
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--agent")
    parser.add_argument("--table", action="store_true")
    study = Study(parser.parse_args())
    if study.given.table:
        return study.table()
    for seed in map(int, study.given.seeds.split(",")):
        study.run(seed)


if __name__ == "__main__":
    main()
