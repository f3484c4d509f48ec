"""Whether what an explorer plays makes a world better than equally much of other play.

    python benchmarks/explore_data.py OUT [--seeds 0,1,2] [--pretrain 100] [--updates 80] [--episodes 60] [--agent FILE]
        [--arms base,random,auto_explore,sticky,jumper] [--test-level 400000] [--no-control]
    python benchmarks/explore_data.py OUT --few 8 --actions RIGHT,LEFT,LEFT_UP,UP,RIGHT_UP --frames 8000 --rate 5e-4 \
        --start src/genieredux/worlds/coinrun.pt --pretrain 150 --updates 100 --agent 'OUT/explored/unseen-{seed}.pt'
    python benchmarks/explore_data.py OUT --table [--test-level 400000] [--beside random]

One world per seed learns from random play. From it (base) every arm goes on for equally many updates, on equally many
episodes that begin on the same levels: random, sticky (the action before repeated with chance 0.5), auto_explore (the
agent that ships, or --agent, with the papers' chance of 0.15 for a random action), and jumper (a strong player, for
the ceiling); both is auto_explore as sticky as sticky is. A seed has its own play, on levels of its own, and its own
draws of training. All are evaluated on the same clips of another strong player, which no arm has seen, on levels that
no other part of the project uses: 96 from --test-level on. The game is CoinRun, the world a canvas of the
quickstart's size, or it begins as --start. With --few N the game has N levels, from
FEW_LEVEL + 1000 times the seed on, which are played by every arm and by the tested player alike, as in a game that
begins in one place: then a world can know what lies beyond only from whoever was there. What is done is not done again.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from genieredux.collect import AgentConfig, CollectConfig, ConnectorConfig, GeneratorConfig, SplitConfig, collect
from genieredux.episodes import Dataset
from genieredux.evaluation.bootstrap import EpisodeBootstrap
from genieredux.evaluation.config import EvalJobConfig
from genieredux.evaluation.job import evaluate_file
from genieredux.evaluation.numbers import ClipNumbers, read_parquet
from genieredux.training.config import CosineConfig, OptimizerConfig, TrainConfig, WarmupConfig
from genieredux.training.jobs import JobConfig
from genieredux.training.run import train

ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "random": ("random", {}),
    "auto_explore": ("auto_explore", {"checkpoint_fpath": "coinrun", "gamma": 0.15, "temperature": 1.0}),
    "sticky": ("random", {"sticky": 0.5}),
    "jumper": ("runners:Jumper", {}),
    "agent57": ("agent57", {"checkpoint_fpath": "coinrun", "gamma": 0.15}),
    "both": ("auto_explore", {"checkpoint_fpath": "coinrun", "gamma": 0.15, "temperature": 1.0, "sticky": 0.5}),
}
"""Name -> policy, and how it plays."""
TEST_LEVEL, BASE_LEVELS, ARM_LEVELS, FEW_LEVEL = 400_000, 20_000, 10_000, 700_000
LEVELS_OF_A_SEED = 1_000
METRICS = {
    "PSNR": ("psnr", "model", slice(None)),
    "SSIM": ("ssim", "model", slice(None)),
    "ST-LPIPS": ("ST-LPIPS (alex)", "model", slice(None)),
    "ΔPSNR": ("delta_psnr", "genie", slice(3, 4)),
}
"""Column -> metric, row, and the horizons whose mean it is."""
TEST_EPISODES = 96


class Study:
    """The experiments of one folder."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given, self.root = given, Path(given.out)
        self.results = self.root / "results" / str(given.test_level)

    def data(
        self,
        name: str,
        variant: str,
        agent: dict[str, Any],
        split: str,
        level: int,
        episodes: int,
        seed: int,
        frames: int | None = None,
    ) -> Path:
        """Play of that many episodes, or frames: each on a level of its own, or on the few levels in turn."""
        connector = ConnectorConfig(
            name="coinrun",
            dname=name,
            variant=variant,
            kind="procgen",
            games=("coinrun",),
            image_size=64,
            action_names=tuple(self.given.actions.split(",")),
            generator_config=GeneratorConfig(self.given.few or episodes, None if frames else episodes, 256, 1),
            agent=AgentConfig(**agent),
            splits=(SplitConfig(split, start_level=level, n_frames=frames),),
        )
        return collect(CollectConfig(connector, str(self.root / "datasets"), seed)).path

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
            dynamics={"architecture": "canvas"} | ({"actor": 10} if self.given.start else {}),
        )
        return train(job).model_path

    def measured(self, name: str, seed: int, world: Path, test: Path) -> Path:
        """The folder with its numbers of every clip."""
        folder = self.results / f"{name}-{seed}"
        if not (folder / "done.json").is_file():
            settings = EvalJobConfig(
                model_fpath=str(world),
                dataset_root_dpath=str(test.parent),
                dataset_name=test.name,
                num_clips=self.given.clips,
                metrics=("ST-LPIPS",),
                choice="sample" if self.given.start else None,
                temperature=0.25 if self.given.start else None,
                eval_control=not self.given.no_control,
                accelerator="cpu",
            )
            made = evaluate_file(settings, Dataset.open(str(test)), folder=folder)
            (folder / "done.json").write_text(json.dumps(made.lines))
            print(name, seed, *made.lines, sep="\n  ", flush=True)
        return folder

    def run(self, seed: int) -> None:
        """One seed: its play, and its worlds."""
        given, own = self.given, LEVELS_OF_A_SEED * seed
        level, arm_level = given.test_level, ARM_LEVELS + own
        if given.few:
            level = arm_level = FEW_LEVEL + own
        test = self.data(f"test-{level}", "runners:Runner", {}, "test.runner", level, TEST_EPISODES, 0)
        start = Path(given.start) if given.start else None
        if start and not given.pretrain:
            before = start
        else:
            first, rate = (level, given.rate) if given.few else (BASE_LEVELS + own, 1.5e-3)
            base = self.data(f"base-{seed}", "random", {}, "train", first, given.episodes, seed, given.frames)
            before = self.learned(seed, "base", base, given.pretrain, rate, start)
        for arm in given.arms.split(","):
            if arm == "base":
                self.measured(arm, seed, before, test)
                continue
            variant, agent = ARMS[arm]
            if variant == "auto_explore" and given.agent:
                agent = {**agent, "checkpoint_fpath": given.agent.format(seed=seed)}
            data = self.data(
                f"{arm}-{seed}", variant, agent, "train", arm_level, given.episodes, seed + 1_000, given.frames
            )
            world = self.learned(seed, arm, data, given.updates, given.rate, before)
            self.measured(arm, seed, world, test)

    def table(self) -> None:
        """Every arm, and less --beside on the same clips, seed by seed: means over the horizons (delta PSNR: at
        t = 4), with 95 % intervals by resampling episodes; there is a clip of each."""
        print(
            f"| seed | arm | frames of play | {' | '.join(f'{name} | less {self.given.beside}' for name in METRICS)} |"
        )
        print("|---|---|---|" + "---|---|" * len(METRICS))
        for folder in sorted(self.results.iterdir(), key=lambda one: one.name.rpartition("-")[::-1]):
            arm, _, seed = folder.name.rpartition("-")
            numbers = self._numbers(folder)
            baseline = self._numbers(self.results / f"{self.given.beside}-{seed}")
            assert numbers.hashes == baseline.hashes
            played = self.root / "datasets" / f"coinrun_v0.0.0_{folder.name}"
            frames = f"{sum(Dataset.open(str(played)).lengths):,}" if played.is_dir() else ""
            cells = [seed, arm, frames]
            for metric, row, horizons in METRICS.values():
                if metric not in numbers.values:
                    cells += ["", ""]
                    continue
                values, usual = (one.values[metric][row][:, horizons].mean(1) for one in (numbers, baseline))
                gap = EpisodeBootstrap(numbers.episodes, 2000, 0.95, 0).estimate(values - usual)
                cells += [f"{values.mean():.3f}", f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"]
            print(f"| {' | '.join(cells)} |")

    def _numbers(self, folder: Path) -> ClipNumbers:
        return next(iter(read_parquet(folder / "clips.parquet").values()))


def main() -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--pretrain", type=int, default=100)
    parser.add_argument("--updates", type=int, default=80)
    parser.add_argument("--episodes", type=int, default=60)
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--agent", help="an explorer's file; {seed} in it stands for the seed")
    parser.add_argument("--frames", type=int, help="each arm plays so many instead of --episodes")
    parser.add_argument("--few", type=int, default=0, help="levels of the game; 0: as many as there are episodes")
    parser.add_argument("--actions", default="RIGHT,LEFT,DOWN,UP,RIGHT_UP")
    parser.add_argument("--start", help="a world that base begins with, and is where --pretrain is 0")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate of the arms")
    parser.add_argument("--arms", default="base,random,auto_explore,sticky,jumper")
    parser.add_argument("--test-level", type=int, default=TEST_LEVEL)
    parser.add_argument("--no-control", action="store_true", help="no delta PSNR, which is half of an evaluation")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--beside", default="random", help="the arm that the table compares with")
    study = Study(parser.parse_args())
    if study.given.table:
        return study.table()
    for seed in map(int, study.given.seeds.split(",")):
        study.run(seed)


if __name__ == "__main__":
    main()
