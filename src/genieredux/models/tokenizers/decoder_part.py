"""A tokenizer whose decoder can be trained alone. Knows modules; no loss, no file, no trainer."""

from collections.abc import Iterator

from torch import nn

from genieredux.nn.quantize import FiniteScalarQuantize, VectorQuantize


class WithDecoder(nn.Module):
    """What tokenizers share: which parts come after the codes, and training these only."""

    quantizer: VectorQuantize | FiniteScalarQuantize
    _decoder_alone = False

    def decoder_modules(self) -> list[nn.Module]:
        """The parts that only decoding uses: tokens do not depend on them."""
        raise NotImplementedError

    def decoder_prefixes(self) -> Iterator[str]:
        """What the names of their tensors in the state dict begin with."""
        parts = {id(module) for module in self.decoder_modules()}
        return (f"{name}." for name, module in self.named_modules() if id(module) in parts)

    def train_decoder_only(self) -> None:
        """From now on gradients reach the decoder alone, and the codebook does not move."""
        self._decoder_alone = True
        self.requires_grad_(False)
        for module in self.decoder_modules():
            module.requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> "WithDecoder":
        """As usual, but a codebook that must not move stays in evaluation mode."""
        super().train(mode)
        if self._decoder_alone:
            self.quantizer.eval()
        return self
