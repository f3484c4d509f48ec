"""Small models that tests share."""

import torch
from torch import nn

from genieredux.models.checkpoint import Section, fingerprint, plain
from genieredux.models.dynamics.history_refiner import HistoryRefiner, HistoryRefinerConfig
from genieredux.models.tokenizers.conv import ConvTokenizer, ConvTokenizerConfig
from genieredux.training.kinds.tokens import LoadedTokenizer

ACTIONS = ("RIGHT", "LEFT", "DOWN", "UP", "RIGHT_UP")


def make_tokenizer(seed: int = 0, **settings: object) -> ConvTokenizer:
    torch.manual_seed(seed)
    values = {
        "image_size": 32,
        "encoder_width": 16,
        "decoder_width": 16,
        "codebook_size": 24,
        "codebook_dim": 8,
    }
    return ConvTokenizer(ConvTokenizerConfig(**{**values, **settings})).eval()  # type: ignore[arg-type]


def make_dynamics(tokenizer: ConvTokenizer, seed: int = 0, **settings: object) -> HistoryRefiner:
    """Perturbed, so that nothing is zero that training would make something."""
    torch.manual_seed(seed)
    values = {
        "dim": 32,
        "heads": 2,
        "dim_head": 16,
        "history_blocks": 2,
        "refiner_blocks": 1,
        "local_width": 16,
        "local_blocks": 1,
    }
    config = HistoryRefinerConfig(**{**values, **settings})  # type: ignore[arg-type]
    dynamics = HistoryRefiner(config, tokenizer.code_vectors(), tokenizer.grid, len(ACTIONS))
    with torch.no_grad():
        for parameter in dynamics.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return dynamics.eval()


def tokenizer_of(model: nn.Module) -> LoadedTokenizer:
    """A tokenizer that is in memory, as one that was loaded from its file."""
    state = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
    kind, config = str(model.kind), plain(model.config)
    section = Section(kind, config, state, fingerprint(kind, config, state))
    return LoadedTokenizer(model.eval().requires_grad_(False), section)
