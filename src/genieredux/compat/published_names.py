"""Names of the published state dicts, turned into ours. Knows strings and tensors, no module.

The tensors themselves agree, so a published state dict renamed here loads with `strict=True` into the
published setting of the same part.
"""

import re
from collections.abc import Mapping

from torch import Tensor

_UNUSED = re.compile(r"(^|\.)(beta|context_norm\.\w+|_codebook\.(initted|cluster_size|embed_avg))$")
"""Without effect in the published files: zero shifts, norms never applied, buffers of an unused rule."""

_RULES = (
    (r"\bspatial_rel_pos_bias\.", "position."),
    (r"\bnet\.2\.(weight|bias)$", r"net.4.\1"),
    (r"\bnet\.1\.0\.", "net.2."),
    (r"\bnet\.0\.0\.", "net.0."),
    (r"\blayers\.(\d+)\.0\.", r"blocks.\1."),
    (r"\bdsconv\.", "conv."),
    (r"(^|_ff\.)0\.(weight|bias)$", r"\1norm.\2"),
    (r"(^|_ff\.)1\.weight$", r"\1expand.weight"),
    (r"(^|_ff\.)4\.weight$", r"\1contract.weight"),
    (r"\b_codebook\.embed$", "codebook"),
    (r"\bvq\.", "quantizer."),
    (r"\bto_patch_emb_first_frame\.", "embed_first."),
    (r"\bto_patch_emb\.", "embed_rest."),
    (r"\b(embed_first|embed_rest)\.1\.", r"\1.norm_in."),
    (r"\b(embed_first|embed_rest)\.2\.", r"\1.linear."),
    (r"\b(embed_first|embed_rest)\.3\.", r"\1.norm_out."),
    (r"\bto_pixels_first_frame\.0\.", "pixels_first."),
    (r"\bto_pixels\.0\.", "pixels_rest."),
)


def rename(name: str) -> str | None:
    """Our name for a published parameter or buffer, or None if it has no effect there."""
    if _UNUSED.search(name):
        return None
    for pattern, ours in _RULES:
        name = re.sub(pattern, ours, name)
    return name


def rename_state_dict(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict under our names; the codebook loses its leading axis of length 1."""
    renamed = {}
    for name, tensor in published.items():
        ours = rename(name)
        if ours is not None:
            renamed[ours] = tensor[0] if name.endswith("_codebook.embed") else tensor
    return renamed
