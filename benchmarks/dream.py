"""Frames a second of a dream with cached keys and values, against the same model without the cache.

    python benchmarks/dream.py [--world FILE] [--frames 60]

The uncached way runs the history over every frame so far for each new frame, as an implementation without a cache
must. Both give the same tokens, which is checked. Prints one JSON object; measure on a quiet machine.
"""

import argparse
import json
import resource
import statistics
import time

import torch
from torch import Tensor

from genieredux.models.sampling import decode_masked
from genieredux.models.world.file import load_world, shipped_world
from genieredux.models.world.model import WorldModel


def cached(world: WorldModel, prompt: Tensor, given: Tensor, actions: list[int]) -> tuple[list[float], list[Tensor]]:
    """Seconds and tokens of each frame of a live dream, decoded to pixels."""
    dream, seconds, tokens = world.dream(prompt[None], given[None]), [], []
    for action in actions:
        began = time.perf_counter()
        step = dream.step(torch.tensor([action]))
        seconds.append(time.perf_counter() - began)
        tokens.append(step.tokens[0])
    return seconds, tokens


@torch.no_grad()
def uncached(world: WorldModel, prompt: Tensor, given: Tensor, actions: list[int]) -> tuple[list[float], list[Tensor]]:
    """The same dream, the whole past computed again for every frame."""
    dynamics, seconds = world.dynamics, []
    past, taken = world.encode(prompt[None]), given[None]
    for action in actions:
        began = time.perf_counter()
        taken = torch.cat([taken, torch.tensor([[action]])], 1)
        with world.computing():
            outlook = dynamics.observe(past, taken, dynamics.new_memory())
            hidden = torch.full((1, past[0, 0].numel()), dynamics.mask_id)

            def logits(flat: Tensor, outlook: object = outlook) -> Tensor:
                return dynamics.predict(outlook, flat.view(1, 1, *dynamics.grid), given[None, :0]).flatten(1, 3)

            decoded = decode_masked(logits, hidden, dynamics.codes, world.sampling)
        new = decoded.tokens.view(1, 1, *dynamics.grid)
        world.decode(new)
        past = torch.cat([past, new], 1)
        seconds.append(time.perf_counter() - began)
    return seconds, list(past[0, -len(actions) :])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", help="default: the world that ships")
    parser.add_argument("--frames", type=int, default=60)
    options = parser.parse_args()
    world, prompts = load_world(options.world or shipped_world())
    frames, given = prompts[0]
    prompt = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    actions = [k // 6 % len(world.action_names) for k in range(options.frames)]
    cached(world, prompt, torch.from_numpy(given), actions[:5])
    fast, fast_tokens = cached(world, prompt, torch.from_numpy(given), actions)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    slow, slow_tokens = uncached(world, prompt, torch.from_numpy(given), actions)
    same = [float((a == b).float().mean()) for a, b in zip(fast_tokens, slow_tokens, strict=True)]
    report = {
        "frames": options.frames,
        "threads": torch.get_num_threads(),
        "cached_frames_per_s": round(1 / statistics.median(fast), 1),
        "cached_slowest_ms": round(1000 * max(fast), 1),
        "uncached_frames_per_s": round(1 / statistics.median(slow), 1),
        "ratio": round(sum(slow) / sum(fast), 2),
        "ratio_of_the_last_ten": round(sum(slow[-10:]) / sum(fast[-10:]), 2),
        "tokens_that_agree": round(statistics.mean(same), 4),
        "peak_rss_mib_cached": round(memory),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
