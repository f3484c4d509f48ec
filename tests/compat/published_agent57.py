"""A published Agent57's state dicts with made weights: the names and shapes of its networks, and a formula for values.

The k-th name (sorted) of part j, element i: s (2 frac(43758.5453 sin(12.9898 (i + 1) + 78.233 (k + 1) + j)) - 1), with
s = 0.1 for one-dimensional parameters and sqrt(6 / values of a row) for the others.
"""

import numpy as np
import torch

PARTS = ("network", "embedding_network", "rnd_target_network", "rnd_predictor_network")
CONVOLUTIONS = {"0": (32, 1, 8, 8), "2": (64, 32, 4, 4), "4": (64, 64, 3, 3)}
HEADS = {"linear 128": {"head": (128, 3136)}, "linear 256": {"head": (256, 3136)}}
HEADS["three 256"] = {"head.0": (512, 3136), "head.2": (512, 512), "head.4": (256, 512)}


def layers(prefix, shapes):
    """name -> shape of the weights and biases of some layers."""
    both = {f"{prefix}{name}.weight": shape for name, shape in shapes.items()}
    return both | {f"{prefix}{name}.bias": shape[:1] for name, shape in shapes.items()}


def shapes_of(actions, policies, rnd):
    lstm = {"weight_ih_l0": (2048, 3136 + actions + policies + 2), "weight_hh_l0": (2048, 512)}
    lstm |= {"bias_ih_l0": (2048,), "bias_hh_l0": (2048,)}
    values = {}
    for q in ("ext_q", "int_q"):
        values |= layers(f"{q}.body.net.", CONVOLUTIONS) | {f"{q}.lstm.{name}": shape for name, shape in lstm.items()}
        values |= layers(f"{q}.advantage_head.", {"0": (512, 512), "2": (actions, 512)})
        values |= layers(f"{q}.value_head.", {"0": (512, 512), "2": (1, 512)})
    embedding = layers("net.net.", CONVOLUTIONS) | layers("", {"fc": (32, 3136)})
    embedding |= layers("inverse_head.", {"0": (128, 64), "2": (actions, 128)})
    distilled = layers("body.", CONVOLUTIONS) | layers("", HEADS[rnd])
    return dict(zip(PARTS, (values, embedding, distilled, distilled), strict=True))


def made(shape, k, j):
    """The values of one parameter."""
    i = np.arange(int(np.prod(shape)))
    x = 43758.5453 * np.sin(12.9898 * (i + 1) + 78.233 * (k + 1) + j)
    scale = 0.1 if len(shape) == 1 else np.sqrt(6 / np.prod(shape[1:]))
    return torch.from_numpy((scale * (2 * (x - np.floor(x)) - 1)).astype(np.float32)).reshape(shape)


def published_state(actions, policies, rnd="three 256"):
    """The four state dicts of a published file."""
    return {
        part: {name: made(shapes[name], k, j) for k, name in enumerate(sorted(shapes))}
        for j, (part, shapes) in enumerate(shapes_of(actions, policies, rnd).items())
    }
