"""Training a tokenizer's decoder alone: its tokens stay what they are (P25: the fine-tuning for one game).

What encoding uses is frozen and in evaluation mode, so token caches and dynamics made with the tokenizer stay valid;
`tokens_fingerprint` says so, naming a tokenizer by that part. Knows no file.
"""

from torch import nn

from genieredux.errors import UserError
from genieredux.models.checkpoint import CheckpointData, Section, fingerprint
from genieredux.models.tokenizers.decoder_part import WithDecoder


def train_decoder_only(model: nn.Module, start: CheckpointData | None) -> None:
    """Freeze all of a tokenizer but its decoder, in place. start: the tokenizer it begins as.

    Raises UserError for a tokenizer that is not trained yet.
    """
    if start is None:
        raise UserError(
            "train.trainable=decoder fine-tunes a trained tokenizer; give tokenizer_fpath, or set train.trainable=all"
        )
    assert isinstance(model, WithDecoder)
    model.train_decoder_only()


def tokens_fingerprint(model: nn.Module, section: Section) -> str:
    """32 hex digits that name a tokenizer by its configuration and the weights that lead from frames to tokens."""
    if not isinstance(model, WithDecoder):
        return section.fingerprint
    after = tuple(model.decoder_prefixes())
    used = {name: value for name, value in section.state_dict.items() if not name.startswith(after)}
    config = {key: value for key, value in section.config.items() if key != "clip_frames"}  # a cache says its own
    return fingerprint(section.kind, config, used)
