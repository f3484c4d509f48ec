"""`genieredux doctor costs`: what the published runs, or one's own commands, would take on machines that are described.

Every command is composed as it would be when it runs; its amounts and the table of rates make a stage (costs/stage.py).
"""

import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from genieredux.cli.compose import compose_config
from genieredux.cli.genie_redux import SCHEMA as GENIE_REDUX
from genieredux.cli.genie_redux import own_tokenizer
from genieredux.cli.manual import manual
from genieredux.cli.screen import say, wants_help
from genieredux.cli.tables import new_table, show
from genieredux.config import from_plain
from genieredux.costs import Machine, Rates, Stage, read_rates
from genieredux.costs.rates import read_table
from genieredux.errors import UserError

CLIP = 16
"""Frames that the table's TFLOP of a clip are of."""
FORWARD = 1 / 3
"""The share of a forward pass: the backward one is twice as much."""
ENCODER = FORWARD / 2
"""Of a tokenizer's, encoder and decoder alike."""
SHARD_FRAMES = 65_536
"""Of a token cache, each made by one worker."""
TOKEN_BYTES = 2 * 16 * 16
"""Of a frame in a token cache of the published shape."""
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Plan:
    """Commands, as they are typed after `genieredux`."""

    once: tuple[str, ...] = ()
    """Done once."""
    each_game: tuple[str, ...] = ()
    """Done for each game that is explored."""


@dataclass
class Reckoning:
    """Makes stages of commands. frames: games and frames of each data set that earlier commands of the plan write."""

    machine: Machine
    rates: Rates
    frames: dict[str, tuple[int, int]] = field(default_factory=dict)

    def stages(self, command: str, times: int) -> list[Stage]:
        """Of one command. Raises UserError where it is none that can be costed."""
        words = shlex.split(command)
        kinds: dict[str, Callable[[list[str], str, int], list[Stage]]] = {
            "generate": self._generate,
            "genie_redux train": self._train,
            "genie_redux eval": self._evaluate,
            "auto_explore train": self._explore,
        }
        name = words[0] if words and words[0] in kinds else " ".join(words[:2])
        if name not in kinds:
            raise UserError(f"plan: '{command}' cannot be costed; these can: {', '.join(kinds)}")
        given = words[len(name.split()) :]
        config = next((word.partition("=")[2] for word in given if word.startswith("config=")), "")
        title = f"{name.removeprefix('genie_redux ')} {config.removesuffix('.yaml')}".strip()
        return kinds[name](given, title + (f" x {times}" if times > 1 else ""), times)

    def _generate(self, words: list[str], title: str, times: int) -> list[Stage]:
        from genieredux.collect.games import configured_games

        connector = compose_config("generate", "genieredux.cli.generate:GenerateCommand", words).config.connector
        games = len(configured_games(connector))
        longest = connector.generator_config.n_steps_max + 1
        episodes = frames = 0
        for split in connector.splits:
            count = connector.sessions(split)
            count = math.ceil(split.n_frames / longest) if count is None else count
            episodes, frames = episodes + games * count, frames + games * count * longest
        self.frames[connector.dataset_name] = (games, frames)
        play, machine = self.rates.playing(connector.kind), self.machine
        frame_s = 1 / play.frames_s.value
        if connector.agent.checkpoint_fpath:
            frame_s += self.rates.acting_ms.value / 1e3
        stored, disk = self.rates.store_ms.value * episodes / 1e3, frames * play.bytes.value
        shared = {"storing": stored, "disk": disk / (machine.disk_mb_s * 1e6)}
        if machine.machines > 1:
            shared["network"] = disk * 8 / (machine.network_gbit_s * 1e9)
        slowest = max(shared, key=lambda name: shared[name])
        return [
            Stage(
                title,
                f"{frames:,} frames",
                "cores",
                machine.players,
                frames * frame_s,
                episodes,
                "episodes",
                shared[slowest],
                slowest,
                play.open_s.value * max(1.0, games / machine.players),
                disk / 2**30,
                times,
            )
        ]

    def _train(self, words: list[str], title: str, times: int) -> list[Stage]:
        job = compose_config("genie_redux", GENIE_REDUX, own_tokenizer(words))
        train, model = job.train, self.rates.model(job.kind)
        clips = train.batch_size * train.grad_accum * train.num_processes
        flops = model.tflop.value * 1e12 * train.num_frames / CLIP
        device, count = self._devices()
        stages = []
        for devices, bytes_s in self.machine.together(count):
            # each sends and gets every gradient about once, however many take part (ring all-reduce)
            synced = 2 * FLOAT_BYTES * model.parameters.value / bytes_s if devices > 1 else 0.0
            stages.append(
                Stage(
                    title,
                    f"{train.num_train_steps:,} x {clips} clips",
                    device,
                    devices,
                    train.num_train_steps * clips * flops / self._speed(),
                    clips,
                    "clips",
                    train.num_train_steps * synced,
                    "gradients",
                    gib=train.keep_last * 3 * FLOAT_BYTES * model.parameters.value / 2**30,
                    times=times,
                )
            )
        stage = min(stages, key=Stage.seconds)
        return [*self._encode(job, times), stage] if job.kind.startswith("genie_redux") else [stage]

    def _encode(self, job: Any, times: int) -> list[Stage]:
        """The token cache that a dynamics is trained on."""
        name, chosen = job.train.dataset_name, job.train.n_envs
        games, frames = self.frames.get(name, (0, 0))
        if not frames:
            raise UserError(f"plan: no command before it makes the data set {name}, so its size is not known")
        if chosen:
            frames = frames * min(abs(chosen), games) // games
        device, count = self._devices()
        flops = self.rates.model("tokenizer").tflop.value * 1e12 * ENCODER * frames / CLIP
        read = frames / self.rates.read_frames_s.value
        return [
            Stage(
                f"tokens of {name}" + (f" x {times}" if times > 1 else ""),
                f"{frames:,} frames",
                device,
                count,
                max(flops / self._speed(), read),
                math.ceil(frames / SHARD_FRAMES),
                "shards",
                frames * TOKEN_BYTES / (self.machine.disk_mb_s * 1e6),
                "disk",
                gib=frames * TOKEN_BYTES / 2**30,
                times=times,
            )
        ]

    def _evaluate(self, words: list[str], title: str, times: int) -> list[Stage]:
        job = compose_config("genie_redux", GENIE_REDUX, own_tokenizer(words))
        config = job.eval
        forward = self.rates.model(job.kind).tflop.value * 1e12 * FORWARD * config.clip_length / CLIP
        steps = (
            (config.inference_steps or 1)
            if config.inference_method == "one_go"
            else config.horizon / config.clip_length
        )
        rollouts = 3 if config.eval_control else 1  # other actions, and another last one
        clips = config.num_clips * config.sampling_seeds
        return [
            Stage(
                title,
                f"{config.num_clips:,} clips of {config.clip_length}",
                *self._devices(),
                clips * rollouts * steps * forward / self._speed(),
                math.ceil(config.num_clips / config.batch_size),
                "batches",
                clips * self.rates.sums_ms.value / 1e3,
                "summing up",
                times=times,
            )
        ]

    def _explore(self, words: list[str], title: str, times: int) -> list[Stage]:
        config = compose_config("auto_explore", "genieredux.explore.config:ExploreConfig", words)
        play, epochs = config.collection.train.config, config.common.epochs or 300
        steps = epochs * play.num_steps * play.num_envs
        frame = self.rates.model("tokenizer").tflop.value * ENCODER / CLIP
        frame += (1 + play.n_preds) * self.rates.model("genie_redux_guided").tflop.value * FORWARD / CLIP
        peak = self._peak()
        rated = steps * frame * 1e12 / (peak * self.rates.acting_mfu.value)
        played = steps / (
            self.rates.playing(config.collection.kind).frames_s.value * min(play.num_envs, self.machine.cores)
        )
        return [
            Stage(title, f"{steps:,} steps", "process", 1, rated + played, 1, "one agent", times=times),
        ]

    def _devices(self) -> tuple[str, int]:
        return ("GPUs" if self.machine.gpus else "cores"), self.machine.devices

    def _peak(self) -> float:
        """FLOP a second of a device's products."""
        if not self.machine.gpus:
            return self.rates.core_tflops.value * 1e12
        return (self.machine.gpu_tflops or self.rates.tflops(self.machine.gpu)) * 1e12

    def _speed(self) -> float:
        """FLOP a second of a device, in training."""
        usual = self.rates.gpu_mfu if self.machine.gpus else self.rates.core_mfu
        return self._peak() * (self.machine.mfu or usual.value)


SCHEMA = "genieredux.costs.machine:Machine"


def costs(words: list[str]) -> None:
    """Print what the plan costs."""
    if wants_help(words):
        about = (
            "What the published runs (200 games, then 50, then each game by itself) take on machines of your "
            "description, stage by stage, what bounds each, and how many workers still make it faster: for example "
            "genieredux doctor costs machines=2 cores=64 gpus=8 gpu=h100. Rates are measured ones where there are; "
            "the last lines say how each is known."
        )
        return say(manual("doctor costs [key=value ...]", about, SCHEMA))
    machine = from_plain(Machine, _values(words), "")
    rates = read_rates(machine.rates)
    plan = from_plain(Plan, read_table(machine.plan, "plan"), "plan")
    reckoning = Reckoning(machine, rates)
    stages = [stage for command in plan.once for stage in reckoning.stages(command, 1)]
    if machine.games:
        stages += [stage for command in plan.each_game for stage in reckoning.stages(command, machine.games)]
    if not stages:
        raise UserError("the plan has no command; give some below once: or each_game:")
    _show(machine, rates, stages)


def _values(words: list[str]) -> Mapping[str, str]:
    pairs = [word.removeprefix("--").partition("=") for word in words]
    for key, equals, _ in pairs:
        if not equals:
            raise UserError(f"doctor costs takes key=value words, and got '{key}'; `doctor costs --help` lists them")
    return {key: value for key, _, value in pairs}


def _show(machine: Machine, rates: Rates, stages: list[Stage]) -> None:
    chips = "no GPU"
    if machine.gpus:
        speed = machine.gpu_tflops or rates.tflops(machine.gpu)
        chips = f"{machine.gpus} GPUs ({machine.gpu if not machine.gpu_tflops else 'own'}: {speed:g} TFLOP/s)"
    say(f"{machine.machines} machines, each of {machine.cores} cores and {chips}\n")
    table = new_table("work", "amount", "hours", "goes into", "faster up to", right=("hours",))
    for stage in stages:
        table.add_row(
            stage.name,
            stage.amount,
            _hours(stage.total_s),
            stage.bound,
            f"{stage.stops_at:,} {stage.worker} ({stage.limit})",
        )
    show(table)
    total = sum(stage.total_s for stage in stages) / 3600
    say(f"\none after the other: {total:,.1f} hours ({total / 24:,.1f} days)")
    say(f"on the disk at the end: {sum(stage.gib * stage.times for stage in stages):,.0f} GiB")
    for line in _grounds(machine, rates):
        say(line)


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.1f}" if hours >= 10 else f"{hours:.2g}"


def _grounds(machine: Machine, rates: Rates) -> list[str]:
    """How the rates are known that the table above is made of."""
    used: dict[str, Any] = {"sums_ms": rates.sums_ms, "acting_mfu": rates.acting_mfu}
    if machine.gpus:
        used |= {} if machine.gpu_tflops else {f"gpus.{machine.gpu}": rates.gpus[machine.gpu]}
        used |= {} if machine.mfu else {"gpu_mfu": rates.gpu_mfu}
    else:
        used |= {"core_tflops": rates.core_tflops, "core_mfu": rates.core_mfu}
    used |= {name: getattr(rates, name) for name in ("store_ms", "acting_ms", "read_frames_s")}
    return [f"{name} = {rate.value:g}, {rate.known}: {rate.source}" for name, rate in used.items()]
