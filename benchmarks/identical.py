"""Do the numbers stay the same to the bit? A small data set, short trainings and evaluations, as exact numbers.

    python benchmarks/identical.py --write numbers.json       # before a change
    python benchmarks/identical.py --against numbers.json     # after it: exit code 1 and a line per difference

Everything goes through the command line, so that the script runs unchanged on older and newer sources (put another
checkout's `src` on PYTHONPATH). Made are: a CoinRun data set of a few episodes; a training of a few steps of every
kind of model (tokenizer, latent action model, GenieRedux, GenieRedux-G) in each of its architectures; an evaluation of
each, and of the world that ships. Kept are: the checksums of episodes, the losses of every step, a digest of the
weights, and PSNR, SSIM, delta PSNR and entropy of every clip. Numbers are bound to the versions of torch and
procgen and to the processor's instructions; `benchmarks/identical.json` was made where `made_on` in it says, so
compare with a file that was written on the same machine before believing a difference. One thread, float32, CPU.
It takes about two minutes on one core.
"""

import argparse
import contextlib
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is there

import numpy as np
import pyarrow.parquet as pq

DATA = "coinrun_v0.0.0"
SPLITS = (
    "{name: train, variant: random, start_level: 0, n_instances: 6, n_frames: 360}",
    "{name: validation, variant: random, start_level: 5000, n_instances: 2, n_frames: 120}",
    "{name: test.random, variant: random, start_level: 100000, n_instances: 3, n_frames: 180}",
    "{name: test.held, variant: held, start_level: 100000, n_instances: 3, n_frames: 180}",
)
GENERATE = (
    "config=quickstart/coinrun",
    "config.connector.generator_config.n_steps_max=60",
    f"config.connector.splits=[{','.join(SPLITS)}]",
    "root=datasets",
    "seed=0",
)
TRAIN = (
    f"train.dataset_name={DATA} train.batch_size=2 train.grad_accum=1 train.num_train_steps=5 train.log_every=1 "
    "train.save_model_every=5 train.validate_every=5 train.max_valid_size=4 train.precision=32 train.accelerator=cpu "
    "train.tensorboard=false train.samples=0 train.seed=3 train.num_frames=6 optimizer.warmup.steps=2 "
    "optimizer.learning_rate=0.002 optimizer.max_grad_norm=1.0"
).split()
ST = "{0}.dim=32 {0}.blocks=1 {0}.heads=2 {0}.dim_head=16"
TOKENIZER_OF = {"conv": "conv_tokenizer", "st": "st_tokenizer"}
# One micro-batch: older sources weighed hidden tokens, and began codebooks, by micro-batch rather than by batch.
TRAININGS = {
    "conv_tokenizer": "model=tokenizer tokenizer.architecture=conv tokenizer.codebook_size=64 train.num_frames=1 "
    "train.batch_size=8 train.ema_decay=0.9",
    "st_tokenizer": "model=tokenizer tokenizer.architecture=st_vivit tokenizer.codebook_size=64 "
    f"tokenizer.quantizer=gradient tokenizer.patch_size=8 {ST.format('tokenizer')}",
    "conv_lam": "model=latent_action_model lam.architecture=conv",
    "st_lam": "model=latent_action_model lam.architecture=st_vivit "
    f"lam.codebook_size=4 lam.patch_size=8 {ST.format('lam')}",
    "conv_history_refiner": "model=genie_redux_guided dynamics.architecture=history_refiner dynamics.dim=64 "
    "dynamics.refiner_blocks=1 dynamics.local_width=32 dynamics.own_history=0.5",
    "st_maskgit": "model=genie_redux_guided dynamics.architecture=st_maskgit dynamics.mask_ratio=cosine "
    f"dynamics.mask_ratio_per=frame {ST.format('dynamics')}",
    "conv_joint": "model=genie_redux lam.architecture=conv dynamics.architecture=history_refiner "
    "dynamics.dim=64 dynamics.local_width=32",
    "st_joint": "model=genie_redux lam.architecture=st_vivit lam.codebook_size=4 lam.patch_size=8 "
    f"dynamics.architecture=st_maskgit dynamics.conditioning=add {ST.format('lam')} {ST.format('dynamics')}",
}
EVAL = (
    f"eval.dataset_name={DATA} eval.dataset_root_dpath=datasets eval.num_clips=3 eval.keep_clips=1 "
    "eval.keep_extremes=0 eval.resamples=50 eval.sample_num_frames=8 eval.metrics=[] eval.precision=32 "
    "eval.accelerator=cpu eval.batch_size=2"
).split()
MAYBE = {  # options that matter for one architecture, which older sources may not need
    "st_maskgit": ("eval.inference_steps=4",),
    "st_joint": ("eval.inference_steps=4", "eval.temperature=1.0"),
}


def main() -> int:
    """Make the numbers; write or compare them."""
    options = _options()
    folder = Path(options.folder or tempfile.mkdtemp(prefix="identical-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        sys.exit(f"{folder} is not empty; give a folder that is (a training there would go on)")
    with contextlib.chdir(folder):
        numbers = make()
    if not options.folder:
        shutil.rmtree(folder)
    whole = {"made_on": machine(), "numbers": numbers}
    if options.write:
        Path(options.write).write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n")
    if not options.against:
        return 0
    before = json.loads(Path(options.against).read_text())
    if before["made_on"] != whole["made_on"]:
        print(f"made elsewhere, numbers may differ for that alone: {before['made_on']}, here {whole['made_on']}")
    differences = list(compare(before["numbers"], numbers))
    print("\n".join(differences) or f"identical: {len(numbers)} numbers")
    return 1 if differences else 0


def make() -> dict[str, str]:
    """All numbers, by name, made in the working folder."""
    command("generate", *GENERATE)
    numbers = episodes(Path("datasets") / DATA)
    for name, words in TRAININGS.items():
        part = name.split("_")[0]
        model = words.split()[0].removeprefix("model=")
        given = (
            () if model in ("tokenizer", "latent_action_model") else (f"tokenizer_fpath={_file(TOKENIZER_OF[part])}",)
        )
        command("genie_redux", "train", *TRAIN, *words.split(), *given, f"run_name={name}")
        found = training(_file(name))
        numbers |= {f"train/{name}/{key}": value for key, value in found.items()}
        command("genie_redux", "eval", *EVAL, *MAYBE.get(name, ()), f"eval.model_fpath={_file(name)}", *_results(name))
        numbers |= {f"eval/{name}/{key}": value for key, value in evaluation(Path("results") / name).items()}
    shipped = _shipped_world()
    command("genie_redux", "eval", *EVAL, f"eval.model_fpath={shipped}", *_results("shipped"))
    numbers |= {f"eval/shipped/{key}": value for key, value in evaluation(Path("results") / "shipped").items()}
    return numbers


def command(*words: str) -> None:
    """Run one command of genieredux in this process; its screen is shown only where it fails."""
    from genieredux.cli.main import run

    log = Path("commands.log")
    with log.open("a") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        warnings.simplefilter("ignore")
        code = run(words)
    if code:
        sys.exit(f"{' '.join(words)}\nended with {code}:\n{log.read_text()[-2000:]}")
    print(f"done: {' '.join(words[:2])} {words[-1] if len(words) > 2 else ''}", file=sys.stderr)


def episodes(folder: Path) -> dict[str, str]:
    """The checksum of every episode, and its length and split."""
    table = pq.read_table(folder / "index.parquet").to_pylist()
    return {f"episode/{row['id']}": f"{row['checksum']} {row['length']} {row['split']}" for row in table}


def training(model: Path) -> dict[str, str]:
    """Losses of every logged step and validation, and a digest of the saved weights, of the run that made `model`."""
    numbers = {}
    for line in (model.parent / "log.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["event"] not in ("train", "validate"):
            continue
        for key, value in record.items():
            if isinstance(value, float) and ("loss" in key or key in ("lr", "grad_norm", "perplexity")):
                numbers[f"{record['event']}/{record['step']}/{key}"] = value.hex()
    return {**numbers, "weights": weights_digest(model)}


def weights_digest(path: Path) -> str:
    """Of all tensors in a checkpoint, whatever they are called."""
    import torch

    digests: list[str] = []

    def collect(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            plain = value.detach().contiguous().view(-1).view(torch.uint8) if value.numel() else value
            digests.append(hashlib.sha256(plain.numpy().tobytes() + str(tuple(value.shape)).encode()).hexdigest())
        elif isinstance(value, Mapping):
            for item in value.values():
                collect(item)

    collect(torch.load(path, weights_only=True, map_location="cpu"))
    return hashlib.sha256("".join(sorted(set(digests))).encode()).hexdigest()[:32]


def evaluation(folder: Path) -> dict[str, str]:
    """Of every test set, every number of every clip as a digest with its mean, and the estimates of results.json."""
    (file,) = folder.rglob("clips.parquet")
    table = pq.read_table(file)
    numbers: dict[str, str] = {}
    for name in sorted(set(table["set"].to_pylist())):
        rows = [row for row in table.to_pylist() if row["set"] == name]
        rows.sort(key=lambda row: row["clip"])
        numbers[f"{name}/clips"] = _digest(np.frombuffer("".join(row["hash"] for row in rows).encode(), np.uint8))
        for column in table.column_names:
            values = [row[column] for row in rows]
            if "." in column and all(isinstance(value, list) for value in values):
                numbers[f"{name}/clip/{column}"] = _exact(np.asarray(values, np.float64))
    results = json.loads((file.parent / "results.json").read_text())
    for name, key, value in _estimates(results):
        numbers[f"{name}/estimate/{key}"] = _exact(np.asarray(value, np.float64))
    return numbers


def _estimates(results: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(set, name, numbers) of gain and delta PSNR with their intervals, out of results.json."""
    for name, found in results.items():
        if not isinstance(found, Mapping) or not isinstance(found.get("gain"), Mapping) or name == "about":
            continue
        at = found["compare_at"] - 1
        for what in ("gain", "delta_psnr"):
            for row, estimate in found[what].items():
                for bound in ("mean", "low", "high"):
                    value = estimate[bound]  # older sources write delta PSNR at one horizon, newer ones at all
                    value = value[at] if what == "delta_psnr" and isinstance(value, list) else value
                    yield name, f"{what}.{row}.{bound}", value


def compare(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """A line for each number that is gone or another, and one for all that are new."""
    for name, value in before.items():
        if name not in now:
            yield f"{name}: gone (was {_readable(value)})"
        elif now[name] != value:
            yield f"{name}: was {_readable(value)}, is {_readable(now[name])}"
    new = sorted(set(now) - set(before))
    if new:
        print(f"{len(new)} numbers are new, such as {new[0]}")


def machine() -> dict[str, str]:
    """What numbers may depend on besides the sources."""
    from importlib.metadata import version

    return {
        "processor": platform.machine(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
        "procgen-mirror": version("procgen-mirror"),
    }


def _exact(values: np.ndarray) -> str:
    """`<digest of all bits> <mean of the finite ones, in hexadecimal>`."""
    finite = values[np.isfinite(values)]
    mean = float(finite.mean()) if finite.size else float("nan")
    return f"{_digest(np.where(np.isnan(values), np.nan, values))} {mean.hex()}"


def _digest(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


def _readable(value: str) -> str:
    parts = []
    for part in value.split():
        try:
            parts.append(f"{float.fromhex(part):.9g} ({part})" if "0x" in part else part)
        except ValueError:
            parts.append(part)
    return " ".join(parts)


def _file(name: str) -> Path:
    kind = TRAININGS[name].split()[0].removeprefix("model=")
    return Path("checkpoints") / kind / name / "model-5.pt"


def _results(name: str) -> tuple[str, ...]:
    return (f"eval.save_root_dpath=results/{name}",)


def _shipped_world() -> Path:
    from importlib.resources import files

    return Path(str(files("genieredux") / "worlds" / "coinrun.pt"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", help="write the numbers to this file")
    parser.add_argument("--against", help="compare with the numbers in this file")
    parser.add_argument("--folder", help="work in this empty folder, and keep it")
    options = parser.parse_args()
    for name in ("write", "against", "folder"):
        if getattr(options, name):
            setattr(options, name, str(Path(getattr(options, name)).resolve()))
    return options


if __name__ == "__main__":
    sys.exit(main())
