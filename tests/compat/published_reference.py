"""The published formulas once more, in loops and explicit softmax, on state dicts of published names.

Written from the description of the published code, apart from this project's blocks: what they are checked against.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]


def random_state(shapes: dict[str, tuple[int, ...]], seed: int) -> State:
    """Random tensors: gains around 1, matrices of a scale that keeps activations near 1, no zero bias."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, size in shapes.items():
        if name.endswith((".beta", "cluster_size", "embed_avg")):
            state[name] = torch.zeros(size)
            continue
        value = torch.randn(size, generator=generator)
        if len(size) == 1:
            gain = name.endswith(("gamma", "q_scale", "k_scale", "norm.weight")) or ".0.weight" in name
            state[name] = 0.2 * value + (1.0 if gain else 0.0)
        elif "emb.weight" in name or name.endswith("embed"):
            state[name] = value
        else:
            state[name] = value / math.sqrt(math.prod(size[1:]))
    return state


def block_shapes(prefix: str, dim: int, heads: int, dim_head: int, blocks: int) -> dict[str, tuple[int, ...]]:
    inner, ff = heads * dim_head, int(4 * (2 / 3) * dim)
    shapes: dict[str, tuple[int, ...]] = {}
    for k in range(blocks):
        for half in ("spatial", "temporal"):
            at = f"{prefix}layers.{k}.0.{half}_"
            shapes |= {
                f"{at}peg.dsconv.weight": (dim, 1, 3, 3, 3),
                f"{at}peg.dsconv.bias": (dim,),
                f"{at}attention.q_scale": (dim_head,),
                f"{at}attention.k_scale": (dim_head,),
                f"{at}attention.norm.gamma": (dim,),
                f"{at}attention.norm.beta": (dim,),
                f"{at}attention.context_norm.gamma": (dim,),
                f"{at}attention.context_norm.beta": (dim,),
                f"{at}attention.to_q.weight": (inner, dim),
                f"{at}attention.to_kv.weight": (2 * inner, dim),
                f"{at}attention.to_out.weight": (dim, inner),
                f"{at}ff.0.weight": (dim,),
                f"{at}ff.0.bias": (dim,),
                f"{at}ff.1.weight": (2 * ff, dim),
                f"{at}ff.4.weight": (dim, ff),
            }
    return shapes | {f"{prefix}norm_out.gamma": (dim,), f"{prefix}norm_out.beta": (dim,)}


def bias_shapes(prefix: str, width: int, heads: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{prefix}net.0.0.weight": (width, 2),
        f"{prefix}net.0.0.bias": (width,),
        f"{prefix}net.1.0.weight": (width, width),
        f"{prefix}net.1.0.bias": (width,),
        f"{prefix}net.2.weight": (heads, width),
        f"{prefix}net.2.bias": (heads,),
    }


def dynamics_state(seed: int = 0, **sizes: int) -> State:
    """Random tensors of `dynamics_shapes(**sizes)`."""
    return random_state(dynamics_shapes(**sizes), seed)


def video_state(seed: int = 0, **sizes: int) -> State:
    """Random tensors of `video_shapes(**sizes)`."""
    return random_state(video_shapes(**sizes), seed)


def dynamics_shapes(
    *, dim: int, action: int, codes: int, places: int, heads: int, dim_head: int, blocks: int
) -> dict[str, tuple[int, ...]]:
    """A MaskGIT whose actions are concatenated (action > 0: their width) or added (0)."""
    width = dim + action
    shapes = {"token_emb.weight": (codes + 1, dim), "pos_emb.weight": (places, dim)}
    shapes |= bias_shapes("continuous_pos_bias.", dim_head, heads)
    shapes |= block_shapes("transformer.", width, heads, dim_head, blocks)
    return shapes | {"to_logits.weight": (codes, width), "to_logits.bias": (codes,)}


def video_shapes(
    *,
    dim: int,
    heads: int,
    dim_head: int,
    blocks: int,
    patch: int,
    codes: int,
    codebook_dim: int,
    side: int,
    latent_actions: bool,
) -> dict[str, tuple[int, ...]]:
    """A tokenizer, or a latent action model of frames of side x side patches."""
    values = 3 * patch**2
    shapes = bias_shapes("spatial_rel_pos_bias.", dim, heads)
    for name in ("to_patch_emb_first_frame", "to_patch_emb"):
        shapes |= {f"{name}.1.weight": (values,), f"{name}.1.bias": (values,)}
        shapes |= {f"{name}.2.weight": (dim, values), f"{name}.2.bias": (dim,)}
        shapes |= {f"{name}.3.weight": (dim,), f"{name}.3.bias": (dim,)}
    shapes |= block_shapes("encoder.", dim, heads, dim_head, blocks)
    shapes |= block_shapes("decoder.", dim, heads, dim_head, blocks)
    if codebook_dim != dim:
        shapes |= {"vq.project_in.weight": (codebook_dim, dim), "vq.project_in.bias": (codebook_dim,)}
        shapes |= {"vq.project_out.weight": (dim, codebook_dim), "vq.project_out.bias": (dim,)}
    shapes |= {
        "vq._codebook.initted": (1,),
        "vq._codebook.cluster_size": (1, codes),
        "vq._codebook.embed_avg": (1, codes, codebook_dim),
        "vq._codebook.embed": (1, codes, codebook_dim),
    }
    for name in ("to_pixels_first_frame", "to_pixels"):
        shapes |= {f"{name}.0.weight": (values, dim), f"{name}.0.bias": (values,)}
    if latent_actions:
        shapes |= {"to_action_emb.1.weight": (dim, side * side * dim), "to_action_emb.1.bias": (dim,)}
        shapes |= {"to_action_emb.2.weight": (dim,), "to_action_emb.2.bias": (dim,)}
    return shapes


def norm(x: Tensor, gain: Tensor, shift: Tensor | None = None) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * gain
    return scaled if shift is None else scaled + shift


def attention(s: State, at: str, x: Tensor, heads: int, bias: Tensor) -> Tensor:
    """x (N, D), bias (heads, N, N): one sequence."""
    q = norm(x, s[f"{at}.norm.gamma"]) @ s[f"{at}.to_q.weight"].T
    k, v = (x @ s[f"{at}.to_kv.weight"].T).chunk(2, -1)
    outs = []
    for head, (qh, kh, vh) in enumerate(zip(q.chunk(heads, -1), k.chunk(heads, -1), v.chunk(heads, -1), strict=True)):
        qh = qh / qh.norm(dim=-1, keepdim=True) * s[f"{at}.q_scale"]
        kh = kh / kh.norm(dim=-1, keepdim=True) * s[f"{at}.k_scale"]
        scores = (8 * qh @ kh.T + bias[head]).exp()
        outs.append(scores / scores.sum(-1, keepdim=True) @ vh)
    return torch.cat(outs, -1) @ s[f"{at}.to_out.weight"].T


def feedforward(s: State, at: str, x: Tensor) -> Tensor:
    value, gate = (norm(x, s[f"{at}.0.weight"], s[f"{at}.0.bias"]) @ s[f"{at}.1.weight"].T).chunk(2, -1)
    gelu = gate * 0.5 * (1 + torch.erf(gate / math.sqrt(2)))
    return (gelu * value) @ s[f"{at}.4.weight"].T


def peg(s: State, at: str, x: Tensor) -> Tensor:
    """x (T, H, W, D): two frames of zeros before the first, one cell of zeros around each frame."""
    t, h, w, _ = x.shape
    padded = F.pad(x, (0, 0, 1, 1, 1, 1, 2, 0))
    kernel = s[f"{at}.dsconv.weight"][:, 0]
    out = s[f"{at}.dsconv.bias"].expand_as(x).clone()
    for a in range(3):
        for b in range(3):
            for c in range(3):
                out += padded[a : a + t, b : b + h, c : c + w] * kernel[:, a, b, c]
    return out


def grid_bias(s: State, at: str, height: int, width: int) -> Tensor:
    """(heads, places, places)."""
    cells = [(y, x) for y in range(height) for x in range(width)]
    rows = []
    for y, x in cells:
        for v, u in cells:
            d = torch.tensor([float(y - v), float(x - u)])
            z = d.sign() * (d.abs() + 1).log()
            for layer in ("net.0.0", "net.1.0"):
                z = F.leaky_relu(s[f"{at}{layer}.weight"] @ z + s[f"{at}{layer}.bias"], 0.1)
            rows.append(s[f"{at}net.2.weight"] @ z + s[f"{at}net.2.bias"])
    return torch.stack(rows).T.reshape(-1, len(cells), len(cells))


def slopes(heads: int) -> list[float]:
    def of_power(n: int) -> list[float]:
        start = 2 ** (-(2 ** -(math.log2(n) - 3)))
        return [start ** (i + 1) for i in range(n)]

    power = 2 ** int(math.log2(heads))
    return of_power(power) + of_power(2 * power)[::2][: heads - power]


def past_bias(heads: int, frames: int) -> Tensor:
    bias = torch.full((heads, frames, frames), -math.inf)
    for head, slope in enumerate(slopes(heads)):
        for i in range(frames):
            for j in range(i + 1):
                bias[head, i, j] = -slope * (i - j)
    return bias


def transformer(s: State, at: str, x: Tensor, heads: int, space: Tensor, order: str) -> Tensor:
    """x (T, H, W, D): one clip."""
    t, h, w, d = x.shape
    time = past_bias(heads, t)
    blocks = len({name.split("layers.")[1].split(".")[0] for name in s if name.startswith(f"{at}layers.")})
    for k in range(blocks):
        for half in order:
            of = f"{at}layers.{k}.0.{'spatial' if half == 's' else 'temporal'}"
            x = x + peg(s, f"{of}_peg", x)
            out = torch.empty_like(x)
            if half == "s":
                for f in range(t):
                    out[f] = attention(s, f"{of}_attention", x[f].reshape(-1, d), heads, space).view(h, w, d)
            else:
                for i in range(h):
                    for j in range(w):
                        out[:, i, j] = attention(s, f"{of}_attention", x[:, i, j], heads, time)
            x = x + out
            x = x + feedforward(s, f"{of}_ff", x)
    return norm(x, s[f"{at}norm_out.gamma"])


def logits(
    s: State, ids: Tensor, actions: Tensor, heads: int, *, concatenated: bool, vectors: Tensor | None = None
) -> Tensor:
    clips = []
    t, h, w = ids.shape[1:]
    mask = s["token_emb.weight"].shape[0] - 1
    space = grid_bias(s, "continuous_pos_bias.", h, w)
    for clip, clip_actions in zip(ids, actions, strict=True):
        rows = []
        for place, token in enumerate(clip.flatten().tolist()):
            row = s["token_emb.weight"][token] + s["pos_emb.weight"][place]
            if vectors is not None and token != mask:
                row = row + 10 * vectors[token]
            action = clip_actions[place // (h * w)]
            rows.append(torch.cat([row, action]) if concatenated else row + action)
        x = torch.stack(rows).view(t, h, w, -1)
        x = transformer(s, "transformer.", x, heads, space, "st")
        clips.append(x @ s["to_logits.weight"].T + s["to_logits.bias"])
    return torch.stack(clips)


def patch_embed(s: State, frames: Tensor, patch: int) -> Tensor:
    """frames (T, 3, S, S) to (T, h, w, D)."""
    side = frames.shape[-1] // patch
    rows = []
    for t, frame in enumerate(frames):
        at = "to_patch_emb_first_frame" if t == 0 else "to_patch_emb"
        for i in range(side):
            for j in range(side):
                cut = frame[:, i * patch : (i + 1) * patch, j * patch : (j + 1) * patch].flatten()
                x = norm(cut, s[f"{at}.1.weight"], s[f"{at}.1.bias"])
                x = s[f"{at}.2.weight"] @ x + s[f"{at}.2.bias"]
                rows.append(norm(x, s[f"{at}.3.weight"], s[f"{at}.3.bias"]))
    return torch.stack(rows).view(len(frames), side, side, -1)


def pixels(s: State, x: Tensor, patch: int) -> Tensor:
    """(T, h, w, D) to frames (T, 3, S, S): the first frame that is drawn has a head of its own."""
    t, h, w, _ = x.shape
    frames = torch.empty(t, 3, h * patch, w * patch)
    for k in range(t):
        at = "to_pixels_first_frame.0" if k == 0 else "to_pixels.0"
        for i in range(h):
            for j in range(w):
                values = s[f"{at}.weight"] @ x[k, i, j] + s[f"{at}.bias"]
                frames[k, :, i * patch : (i + 1) * patch, j * patch : (j + 1) * patch] = values.view(3, patch, patch)
    return frames


def codes_of(s: State, x: Tensor) -> Tensor:
    """(..., D) to ids (...): unit vectors, inner products with codes as they are."""
    if "vq.project_in.weight" in s:
        x = x @ s["vq.project_in.weight"].T + s["vq.project_in.bias"]
    return (x / x.norm(dim=-1, keepdim=True) @ s["vq._codebook.embed"][0].T).argmax(-1)


def vectors_of(s: State, ids: Tensor) -> Tensor:
    vectors = s["vq._codebook.embed"][0][ids]
    if "vq.project_out.weight" in s:
        vectors = vectors @ s["vq.project_out.weight"].T + s["vq.project_out.bias"]
    return vectors


def tokenizer_ids(s: State, frames: Tensor, patch: int, heads: int) -> Tensor:
    side = frames.shape[-1] // patch
    space = grid_bias(s, "spatial_rel_pos_bias.", side, side)
    clips = [transformer(s, "encoder.", patch_embed(s, clip, patch), heads, space, "st") for clip in frames]
    return codes_of(s, torch.stack(clips))


def tokenizer_frames(s: State, ids: Tensor, patch: int, heads: int) -> Tensor:
    space = grid_bias(s, "spatial_rel_pos_bias.", *ids.shape[2:])
    clips = [transformer(s, "decoder.", vectors_of(s, clip), heads, space, "ts") for clip in ids]
    return torch.stack([pixels(s, clip, patch) for clip in clips])


def latent_actions(s: State, frames: Tensor, patch: int, heads: int) -> Tensor:
    side = frames.shape[-1] // patch
    space = grid_bias(s, "spatial_rel_pos_bias.", side, side)
    rows = []
    for clip in frames:
        x = transformer(s, "encoder.", patch_embed(s, clip, patch), heads, space, "st")
        named = []
        for frame in x[1:]:
            y = s["to_action_emb.1.weight"] @ frame.flatten() + s["to_action_emb.1.bias"]
            named.append(norm(y, s["to_action_emb.2.weight"], s["to_action_emb.2.bias"]))
        rows.append(torch.stack(named))
    return codes_of(s, torch.stack(rows))


def redrawn(s: State, frames: Tensor, ids: Tensor, patch: int, heads: int) -> Tensor:
    side = frames.shape[-1] // patch
    space = grid_bias(s, "spatial_rel_pos_bias.", side, side)
    clips = []
    for clip, actions in zip(frames, ids, strict=True):
        x = patch_embed(s, clip, patch)[:-1] + vectors_of(s, actions)[:, None, None]
        clips.append(pixels(s, transformer(s, "decoder.", x, heads, space, "ts"), patch))
    return torch.stack(clips)
