"""Names of the published state dicts, turned into ours and back. Knows strings and tensors, no module.

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
    (r"\bcontinuous_pos_bias\.", "transformer.position."),
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
    (r"\bto_action_emb\.1\.", "to_action.0."),
    (r"\bto_action_emb\.2\.", "to_action.1."),
    (r"\bto_patch_emb_first_frame\.", "embed_first."),
    (r"\bto_patch_emb\.", "embed_rest."),
    (r"\b(embed_first|embed_rest)\.1\.", r"\1.norm_in."),
    (r"\b(embed_first|embed_rest)\.2\.", r"\1.linear."),
    (r"\b(embed_first|embed_rest)\.3\.", r"\1.norm_out."),
    (r"\bto_pixels_first_frame\.0\.", "pixels_first."),
    (r"\bto_pixels\.0\.", "pixels_rest."),
)

_BACK = (
    (r"^transformer\.position\.", "continuous_pos_bias."),
    (r"^position\.", "spatial_rel_pos_bias."),
    (r"\bnet\.0\.", "net.0.0."),
    (r"\bnet\.2\.", "net.1.0."),
    (r"\bnet\.4\.", "net.2."),
    (r"\bblocks\.(\d+)\.", r"layers.\1.0."),
    (r"\bconv\.", "dsconv."),
    (r"_ff\.norm\.", "_ff.0."),
    (r"_ff\.expand\.", "_ff.1."),
    (r"_ff\.contract\.", "_ff.4."),
    (r"^quantizer\.codebook$", "quantizer._codebook.embed"),
    (r"^quantizer\.", "vq."),
    (r"^to_action\.0\.", "to_action_emb.1."),
    (r"^to_action\.1\.", "to_action_emb.2."),
    (r"^(embed_first|embed_rest)\.norm_in\.", r"\1.1."),
    (r"^(embed_first|embed_rest)\.linear\.", r"\1.2."),
    (r"^(embed_first|embed_rest)\.norm_out\.", r"\1.3."),
    (r"^embed_first\.", "to_patch_emb_first_frame."),
    (r"^embed_rest\.", "to_patch_emb."),
    (r"^pixels_first\.", "to_pixels_first_frame.0."),
    (r"^pixels_rest\.", "to_pixels.0."),
)


def rename(name: str) -> str | None:
    """Our name for a published parameter or buffer, or None if it has no effect there."""
    if _UNUSED.search(name):
        return None
    for pattern, ours in _RULES:
        name = re.sub(pattern, ours, name)
    return name


def published_name(name: str) -> str:
    """The published name of our parameter in a tokenizer, a latent action model or a MaskGIT: undoes `rename`."""
    for pattern, published in _BACK:
        name = re.sub(pattern, published, name)
    return name


def rename_state_dict(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict under our names; the codebook loses its leading axis of length 1."""
    renamed = {}
    for name, tensor in published.items():
        ours = rename(name)
        if ours is not None:
            renamed[ours] = tensor[0] if name.endswith("_codebook.embed") else tensor
    return renamed
