"""What a training run takes of main memory: the real command on a small data set, watched from outside.

    python benchmarks/memory.py --case tokenizer genie_redux --checkpointing --precision bf16
    python benchmarks/memory.py --case tokenizer --before CHECKOUT       # an older checkout beside it
    python benchmarks/memory.py --case genie_redux --set lam.blocks=1 dynamics.blocks=1

Each run is `genieredux genie_redux train` of the published configuration (100 M and 250 M parameters) at batch 1, two
updates with a validation and a checkpoint, in a process of its own. Given are the peak of what the process held
(VmHWM), what it held when everything was imported and nothing was made (the difference is what the run takes), what the
peak consisted of as seen five times a second (its own memory, and files mapped into it, which the system can take back)
and which function of the project was running then, and the losses as they were logged, which must not depend on how
memory is spared. The data are made up, 64 x 64; a tokenizer that was never trained gives the tokens. The codes of a
latent action model are counted on 16 clips instead of 128, one batch instead of eight, which saves time and no memory.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
CASES = {
    "tokenizer": "tokenizer",
    "lam": "latent_action_model",
    "dynamics": "genie_redux_guided_pretrain",
    "genie_redux": "genie_redux",
}
NEEDS_TOKENIZER = ("dynamics", "genie_redux")


def held(field: str) -> float:
    """GiB that the system says of this process: VmHWM (peak), VmRSS, RssFile."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1]) / 2**20


class Watch(threading.Thread):
    """Looks at what the process holds, and remembers the highest moment and what ran then."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.highest: dict[str, object] = {"own": 0.0, "files": 0.0, "where": ""}
        self._main = threading.main_thread().ident

    def run(self) -> None:
        while True:
            own, files = held("RssAnon"), held("RssFile")
            if own + files > float(str(self.highest["own"])) + float(str(self.highest["files"])):
                self.highest = {"own": round(own, 2), "files": round(files, 2), "where": self._where()}
            time.sleep(0.2)

    def _where(self) -> str:
        """The functions of the project that the main thread is in, the innermost last."""
        frame, names = sys._current_frames().get(self._main or 0), []
        while frame is not None:
            if "genieredux" in frame.f_code.co_filename:
                names.append(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}")
            frame = frame.f_back
        return " > ".join(reversed(names[:4]))


def serve(words: list[str]) -> None:
    """In a process of its own: run the command, then say what it held."""
    import torch

    from genieredux.cli.main import run
    from genieredux.training.kinds import code_counts

    torch.set_num_threads(1)
    code_counts.CLIPS = 16
    before, watch = held("VmRSS"), Watch()
    watch.start()
    code = run(words)
    print(json.dumps({"exit": code, "imports": before, "peak": held("VmHWM"), "at the peak": watch.highest}))


def prepare(folder: Path) -> None:
    """A data set of two short episodes, and a tokenizer of the published shape with its first weights."""
    import torch

    from genieredux.episodes import DatasetSpec, DatasetWriter
    from genieredux.episodes.fake import ACTION_NAMES, fake_episode
    from genieredux.models.build import build_model
    from genieredux.models.checkpoint import save_model

    with DatasetWriter(folder / "datasets" / "made_up", DatasetSpec("made_up", 64, ACTION_NAMES)) as writer:
        for seed in range(2):
            writer.append(fake_episode(17, seed, 64))
    torch.manual_seed(0)
    model = build_model("tokenizer", {"architecture": "st_vivit"})
    save_model(folder / "tokenizer.pt", "tokenizer", model.config, model.state_dict())


def look(case: str, checkout: Path, folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """One run with the sources of one checkout."""
    words = ["genie_redux", "train", f"config={CASES[case]}", "run_name=memory", f"checkpoints_dpath={folder}/{case}"]
    train = {
        "dataset_root_dpath": folder / "datasets",
        "dataset_name": "made_up",
        "batch_size": 1,
        "grad_accum": 1,
        "num_train_steps": options.updates,
        "validate_every": options.updates,
        "save_model_every": options.updates,
        "log_every": 1,
        "precision": options.precision,
        "activation_checkpointing": str(options.checkpointing).lower(),
        "tensorboard": "false",
        "samples": 0,
        "max_valid_size": 1,
        "n_envs": 0,
    }
    words += [f"train.{key}={value}" for key, value in train.items()]
    words += options.set
    if case in NEEDS_TOKENIZER:
        words.append(f"tokenizer_fpath={folder}/tokenizer.pt")
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--serve", *words]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    said = json.loads(done.stdout.splitlines()[-1])
    if said.pop("exit"):
        sys.exit(f"the run of {case} failed; what it said is above")
    logs = sorted(folder.glob(f"{case}/**/log.jsonl"))
    records = [json.loads(line) for line in logs[-1].read_text().splitlines()]
    losses = [record["loss"] for record in records if record.get("event") == "train"]
    for path in folder.glob(f"{case}/**/*.pt"):
        path.unlink()
    logs[-1].rename(logs[-1].with_suffix(".done"))
    figures = {name: round(value, 2) if isinstance(value, float) else value for name, value in said.items()}
    return {"case": case, "taken": round(said["peak"] - said["imports"], 2), **figures, "losses": losses}


def main() -> None:
    if "--serve" in sys.argv[1:2]:
        return serve(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=CASES, default=["tokenizer", "genie_redux"])
    parser.add_argument("--precision", choices=("32", "bf16"), default="bf16")
    parser.add_argument("--checkpointing", action="store_true", help="train.activation_checkpointing=true")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings, such as lam.blocks=1")
    parser.add_argument("--updates", type=int, default=2)
    parser.add_argument("--before", type=Path, help="an older checkout, which is run first")
    options = parser.parse_args()
    checkouts = {"before": options.before, "now": HERE} if options.before else {"now": HERE}
    with tempfile.TemporaryDirectory(prefix="genieredux-memory-") as name:
        prepare(Path(name))
        for case in options.case:
            for which, checkout in checkouts.items():
                row = {"checkout": which, **look(case, Path(checkout).resolve(), Path(name), options)}
                row |= {"precision": options.precision, "checkpointing": options.checkpointing, "set": options.set}
                sys.stdout.write(json.dumps(row) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
