"""How fast the episode store writes and gives random windows, beside frames that lie raw in one memory-mapped
npy file, films, plain row groups, and what other blocks and codecs would cost.

python benchmarks/windows.py [--frames 60000] [--num-frames 16] [--seconds 4] [--game coinrun|fake]

Both are read in the same run and from the page cache, so the ratio means more than either figure. One
process, one thread unless a row says otherwise. CoinRun needs Procgen (Python below 3.13); without it the
made-up game of the tests is used, whose frames compress too well.
"""

import argparse
import contextlib
import json
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import pyarrow as pa

from genieredux.episodes import (
    Dataset,
    DatasetSpec,
    DatasetWriter,
    Episode,
    TokenCache,
    Track,
    WindowSampler,
)
from genieredux.episodes.compact import compact
from genieredux.episodes.fake import ACTION_NAMES, fake_episode
from genieredux.episodes.prefetch import prefetch
from genieredux.errors import UserError

BATCH = 16


def play_coinrun(frames: int, seed: int = 0, num_envs: int = 32) -> tuple[tuple[str, ...], list[Episode]]:
    """CoinRun by uniformly random actions: action names and episodes of at least `frames` frames in all."""
    from gymnasium.vector import AutoresetMode

    from genieredux.envs import EnvConfig, make

    env = make(EnvConfig(), num_envs, seed)
    assert env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    generator = np.random.default_rng(seed)
    obs, _ = env.reset(seed=seed)
    tracks = [Track(frame) for frame in obs]
    episodes: list[Episode] = []
    while sum(map(len, episodes)) < frames:
        actions = generator.integers(0, len(env.action_names), num_envs)
        obs, rewards, terminated, truncated, info = env.step(actions)
        for i, track in enumerate(tracks):
            if terminated[i] or truncated[i]:
                if "_final_obs" in info and info["_final_obs"][i]:
                    track.step(actions[i], float(rewards[i]), info["final_obs"][i])
                else:
                    track.end_unseen(float(rewards[i]))
                labels = {"game": "coinrun", "console": "procgen", "policy": "random", "seed": seed}
                episodes.append(track.episode(bool(terminated[i]), bool(truncated[i]), **labels))
                tracks[i] = Track(obs[i])
            else:
                track.step(actions[i], float(rewards[i]), obs[i])
    env.close()
    return tuple(env.action_names), episodes


def play(game: str, frames: int) -> tuple[str, tuple[str, ...], list[Episode]]:
    """The game that was played in the end, its action names and the episodes."""
    if game == "coinrun":
        try:
            return (game, *play_coinrun(frames))
        except (ImportError, UserError) as error:
            print(f"CoinRun is not here ({error}); using the fake game")
    return "fake", ACTION_NAMES, [fake_episode(300, seed, 64) for seed in range(-(-frames // 300))]


class Rate(NamedTuple):
    """How often something was done per second of wall clock and of CPU time; the second hardly depends on
    other load.
    """

    wall: float
    cpu: float


def rate(work: Callable[[int], int], seconds: float) -> Rate:
    """work(step) is called for `seconds` after one unmeasured call, and returns how many things it did."""
    work(0)
    done, step, began, used = 0, 1, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        done += work(step)
        step += 1
    return Rate(done / (time.perf_counter() - began), done / (time.process_time() - used))


def write(path: Path, spec: DatasetSpec, episodes: list[Episode], threads: int) -> Rate:
    """Frames per second until every episode is on the disk and the index over them too."""
    began, used = time.perf_counter(), time.process_time()
    with DatasetWriter(path, spec) as writer, ThreadPoolExecutor(threads) as pool:
        list(pool.map(writer.append, episodes))
    frames = sum(map(len, episodes))
    return Rate(frames / (time.perf_counter() - began), frames / (time.process_time() - used))


def windows_rate(dataset: Dataset, num_frames: int, seconds: float) -> Rate:
    """Windows per second of `Dataset.windows`."""
    sampler = WindowSampler(dataset.lengths, num_frames, BATCH, seed=0)
    return rate(lambda step: len(dataset.windows(*sampler.batch_arrays(step), num_frames)[0]), seconds)


def threads_rate(dataset: Dataset, num_frames: int, seconds: float, threads: int) -> Rate:
    """Windows per second with threads that read ahead."""
    sampler = WindowSampler(dataset.lengths, num_frames, BATCH, seed=0)

    def read(step: int) -> np.ndarray:
        return dataset.windows(*sampler.batch_arrays(step), num_frames)[0]

    with contextlib.closing(prefetch(read, 0, None, threads, ahead=2 * threads)) as batches:
        return rate(lambda _: len(next(batches)), seconds)


def raw_rate(path: Path, dataset: Dataset, num_frames: int, seconds: float) -> Rate:
    """Windows per second out of one npy file with all frames one after the other."""
    frames = np.load(path, mmap_mode="r")
    offsets = np.cumsum(dataset.lengths) - dataset.lengths
    sampler = WindowSampler(dataset.lengths, num_frames, BATCH, seed=0)

    def batch(step: int) -> int:
        out = np.empty((BATCH, num_frames, *frames.shape[1:]), np.uint8)
        for slot, (episode, start) in enumerate(sampler.batch(step)):
            first = offsets[episode] + start
            out[slot] = frames[first : first + num_frames]
        return len(out)

    return rate(batch, seconds)


def films_rate(folder: Path, episodes: list[Episode], num_frames: int, seconds: float) -> tuple[Rate, float]:
    """Windows per second out of one H.264 film an episode, a key frame every second frame as LeRobot has it, and bytes
    a frame. A window is decoded from the key frame before it."""
    import av

    folder.mkdir()
    stored = 0
    for number, episode in enumerate(episodes):
        with av.open(str(folder / f"{number}.mp4"), "w") as film:
            stream = film.add_stream("libx264", rate=30, options={"crf": "30", "g": "2"})
            stream.height, stream.width, stream.pix_fmt = *episode.frames.shape[1:3], "yuv420p"
            for frame in episode.frames:
                film.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
            film.mux(stream.encode())
        stored += (folder / f"{number}.mp4").stat().st_size
    lengths = np.array([len(episode) for episode in episodes])
    sampler = WindowSampler(lengths, num_frames, BATCH, seed=0)
    out = np.empty((num_frames, *episodes[0].frames.shape[1:]), np.uint8)

    def batch(step: int) -> int:
        for episode, start in sampler.batch(step):
            with av.open(str(folder / f"{episode}.mp4")) as film:
                stream = film.streams.video[0]
                film.seek(round(start / 30 / stream.time_base), stream=stream)
                for frame in film.decode(stream):
                    at = round(frame.time * 30) - start
                    if at >= num_frames:
                        break
                    if at >= 0:
                        out[at] = frame.to_ndarray(format="rgb24")
        return BATCH

    return rate(batch, seconds), stored / int(lengths.sum())


def codec_cost(episodes: list[Episode], codec: str, block: int, num_frames: int) -> tuple[float, float]:
    """Of blocks of `block` frames in a codec: bytes a frame, and CPU microseconds to unpack those that a random window
    lies in, (num_frames + block - 1) / block of them on average."""
    known = pa.Codec(codec, 3) if codec == "zstd" else pa.Codec(codec)
    parts = [part.frames[at : at + block] for part in episodes for at in range(0, len(part) - block, block)]
    packed = [known.compress(part.tobytes()) for part in parts]
    used = time.process_time()
    for data in packed:
        known.decompress(data, block * parts[0][0].nbytes)
    taken = (time.process_time() - used) / len(packed) * (num_frames + block - 1) / block
    return sum(data.size for data in packed) / len(packed) / block, 1e6 * taken


def measure(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """All figures by name."""
    game, action_names, episodes = play(args.game, args.frames)
    frames = sum(map(len, episodes))
    path = folder / "data"
    spec = DatasetSpec("benchmark", 64, action_names)
    written_2 = write(folder / "twice", spec, episodes, threads=2)
    written = write(path, spec, episodes, threads=1)
    np.save(folder / "raw.npy", np.concatenate([episode.frames for episode in episodes]))
    films, film_bytes = films_rate(folder / "films", episodes, args.num_frames, args.seconds)
    codecs = {
        f"{codec}, blocks of {block}": codec_cost(episodes, codec, block, args.num_frames)
        for codec, block in (("zstd", 16), ("zstd", 8), ("lz4_raw", 16))
    }
    del episodes
    dataset = Dataset.open(path)
    stored = sum(file.stat().st_size for file in (path / "episodes").iterdir())
    out: dict[str, object] = {
        "game": game,
        "episodes": len(dataset),
        "frames": frames,
        "window": args.num_frames,
        "frames written/s": written,
        "frames written/s, 2 threads": written_2,
        "bytes/frame": stored / frames,
        "bytes/frame, raw": 64 * 64 * 3,
    }
    stores, raws = [], []
    for _ in range(3):  # in turns, so that both meet the same load
        stores.append(windows_rate(dataset, args.num_frames, args.seconds))
        raws.append(raw_rate(folder / "raw.npy", dataset, args.num_frames, args.seconds))
    out["windows/s, films"] = films
    out["bytes/frame, films (not lossless)"] = film_bytes
    for name, (stored_bytes, taken) in codecs.items():
        out[f"bytes/frame, {name}"] = stored_bytes
        out[f"us to unpack a window, {name}"] = taken
    out["us a window, all of it"] = 1e6 / max(store.cpu for store in stores)
    out["windows/s, a file per episode"] = max(stores)
    out["windows/s, raw npy"] = max(raws)
    out["raw / store, CPU time"] = max(raw.cpu for raw in raws) / max(store.cpu for store in stores)
    out["windows/s, 2 threads"] = threads_rate(dataset, args.num_frames, args.seconds, 2)
    began = time.perf_counter()
    out["shards"] = compact(path).files_after
    out["frames compacted/s"] = frames / (time.perf_counter() - began)
    with_pages, with_arrow = [], []
    for _ in range(3):  # in turns
        with_pages.append(windows_rate(Dataset.open(path), args.num_frames, args.seconds))
        with mock.patch("genieredux.episodes.store.page_map", return_value=None):
            with_arrow.append(windows_rate(Dataset.open(path), args.num_frames, args.seconds))
    out["windows/s, shards"] = max(with_pages)
    out["windows/s, shards by Arrow alone"] = max(with_arrow)
    cache = TokenCache.build(Dataset.open(path), lambda f: f[:, :, ::8, ::8, 0].astype(np.int64), "corner")
    sampler = WindowSampler(cache.lengths, args.num_frames, BATCH, seed=0)
    out["token windows/s"] = rate(
        lambda step: len(cache.windows(*sampler.batch_arrays(step), args.num_frames)[0]), args.seconds
    )
    out["peak memory, MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=60_000)
    parser.add_argument("--num-frames", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--game", choices=("coinrun", "fake"), default="coinrun")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(args, Path(folder))
    if args.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:46}{_text(value)}")


def _text(value: object) -> str:
    if isinstance(value, Rate):
        return f"{value.wall:12,.0f}   {value.cpu:12,.0f} a CPU second"
    return f"{value:12,.1f}" if isinstance(value, float) else f"{value!s:>12}"


if __name__ == "__main__":
    main()
