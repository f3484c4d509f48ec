"""Vector quantisers: continuous vectors to ids of a finite codebook and back.

`VectorQuantize` learns its codebook, by gradient (the published rule) or by exponential moving averages (the
default, which does not collapse); `FiniteScalarQuantize` has a fixed grid. Distances are computed in float32
even under autocast, so that an id does not depend on it. Knows nothing of images or time.
"""

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class Quantised:
    """vectors (..., dim): what the decoder reads, with a straight-through gradient while training.
    ids int64 (...). loss: scalar, zero in eval. perplexity: scalar, exp of the entropy of this batch's
    ids."""

    vectors: Tensor
    ids: Tensor
    loss: Tensor
    perplexity: Tensor


class Quantizer(Protocol):
    """What tokenizers ask of a quantiser."""

    codebook_size: int

    def __call__(self, x: Tensor, generator: torch.Generator | None = None) -> Quantised: ...

    def encode(self, x: Tensor) -> Tensor:
        """x (..., dim) to ids int64 (...)."""
        ...

    def codes(self, ids: Tensor) -> Tensor:
        """ids (...) to the vectors (..., dim) that the decoder reads."""
        ...

    def code_vectors(self) -> Tensor:
        """float32 (codebook_size, codebook_dim): the codes themselves."""
        ...


@dataclass(frozen=True, kw_only=True)
class VectorQuantizeConfig:
    """Settings of a learned codebook. `VectorQuantizeConfig.published()` gives the published ones."""

    codebook_size: int = 1024
    codebook_dim: int = 32
    rule: Literal["ema", "gradient"] = "ema"
    """ema: unit codes that follow the mean of what they quantise. gradient: a parameter, compared by inner
    product with unit inputs and never normalised again, as published."""
    commitment: float = 0.25
    """Weight of the loss that pulls inputs to their codes."""
    decay: float = 0.98
    """Of the moving averages; ema only."""
    revive_below: float = 0.1
    """A code used less than this share of the mean is dead and goes to a poorly quantised input; ema."""

    @classmethod
    def published(cls, codebook_size: int = 1024, codebook_dim: int = 32) -> "VectorQuantizeConfig":
        return cls(codebook_size=codebook_size, codebook_dim=codebook_dim, rule="gradient")

    def __post_init__(self) -> None:
        if self.codebook_size < 2 or self.codebook_dim < 1:
            raise ValueError(f"a codebook needs 2 codes of 1 dimension at least, got {self}")
        if self.rule not in ("ema", "gradient"):
            raise ValueError(f"VectorQuantizeConfig.rule must be 'ema' or 'gradient', got {self.rule!r}")
        if not 0 < self.decay < 1:
            raise ValueError(f"VectorQuantizeConfig.decay must be in (0, 1), got {self.decay}")


class VectorQuantize(nn.Module):
    """Project to codebook_dim, scale to unit length, take the code of largest inner product, project back."""

    cluster_size: Tensor
    code_sum: Tensor
    initialised: Tensor

    def __init__(self, dim: int, config: VectorQuantizeConfig | None = None) -> None:
        super().__init__()
        config = VectorQuantizeConfig() if config is None else config
        self.config = config
        self.codebook_size = config.codebook_size
        self.hold = False
        """ema: whether the inputs of forward passes wait for `begin` and `settle`, so that several count as one
        batch."""
        self._held: list[tuple[Tensor, Tensor, Tensor]] = []
        self._draws: torch.Generator | None = None
        self.project_in = nn.Linear(dim, config.codebook_dim)
        self.project_out = nn.Linear(config.codebook_dim, dim)
        codes = torch.empty(config.codebook_size, config.codebook_dim)
        nn.init.kaiming_uniform_(codes)
        codes = F.normalize(codes, dim=-1)
        self.codebook: Tensor
        if config.rule == "gradient":
            self.codebook = nn.Parameter(codes)
        else:
            self.register_buffer("codebook", codes)
            self.register_buffer("cluster_size", torch.zeros(config.codebook_size))
            self.register_buffer("code_sum", codes.clone())
            self.register_buffer("initialised", torch.tensor(False))

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Quantised:
        """x: (..., dim) float. Training with ema, the inputs that dead codes move to are drawn in a stream of their
        own that begins where `generator` stands, and which leaves that one as it is.
        """
        unit = self._unit(x)
        flat = unit.detach().flatten(0, -2)
        if not self.training:
            ids = self._nearest(flat)
            vectors = self.project_out(F.embedding(ids, self.codebook).view_as(unit))
            return Quantised(vectors, ids.view(x.shape[:-1]), unit.new_zeros(()), self._perplexity(ids))
        follows = self.config.rule == "ema"
        if follows and self._draws is None:
            self._draws = _own_stream(generator)
        if follows and not self.hold and self.is_new:
            self._start(_of_all_processes(flat)[0])
        ids = self._nearest(flat)
        chosen = F.embedding(ids, self.codebook).view_as(unit)
        loss = self.config.commitment * F.mse_loss(unit, chosen.detach())
        if not follows:
            loss = loss + F.mse_loss(chosen, unit.detach())
        else:
            similarity = (flat * chosen.detach().view_as(flat)).sum(-1)
            self._held.append((flat, ids, similarity))
            if not self.hold:
                self.settle()
        vectors = self.project_out(unit + (chosen - unit).detach())
        return Quantised(vectors, ids.view(x.shape[:-1]), loss, self._perplexity(ids))

    @property
    def is_new(self) -> bool:
        """Whether the codes follow inputs and have seen none yet."""
        return self.config.rule == "ema" and not self.initialised

    def begin(self) -> None:
        """Let the codes of a new codebook become some of the inputs that `hold` kept, as those of one batch, and let go
        of these inputs; what is drawn next goes on in the same stream."""
        if self._held and self.is_new:
            self._start(self._held_rows()[0])
        self._held = []

    def settle(self) -> None:
        """Let the codes follow all inputs that were kept, as those of one batch; new codes begin with them."""
        if self.is_new:
            self.begin()
        if self._held:
            self._follow(self._held_rows())
        self._held, self._draws = [], None

    def _held_rows(self) -> tuple[Tensor, ...]:
        """Of all parts and processes, gathered part by part: they lie as in one process with one batch, so that the
        same rows are drawn."""
        held = [_of_all_processes(*parts) for parts in self._held]
        return held[0] if len(held) == 1 else tuple(torch.cat(parts) for parts in zip(*held, strict=True))

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """x (..., dim) to ids int64 (...)."""
        return self._nearest(self._unit(x).flatten(0, -2)).view(x.shape[:-1])

    def codes(self, ids: Tensor) -> Tensor:
        """ids int64 (...) to the vectors (..., dim) that the decoder reads."""
        return self.project_out(F.embedding(ids, self.codebook))

    def code_vectors(self) -> Tensor:
        """float32 (codebook_size, codebook_dim)."""
        return self.codebook.detach()

    def _unit(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return F.normalize(self.project_in(x.to(self.project_in.weight.dtype)), dim=-1)

    @torch.no_grad()
    def _nearest(self, unit: Tensor) -> Tensor:
        with torch.autocast(unit.device.type, enabled=False):
            return (unit @ self.codebook.t()).argmax(-1)

    @torch.no_grad()
    def _perplexity(self, ids: Tensor) -> Tensor:
        share = torch.bincount(ids, minlength=self.codebook_size) / ids.numel()
        return torch.special.entr(share).sum().exp()

    @torch.no_grad()
    def _start(self, unit: Tensor) -> None:
        """Codes become vectors of the first batch: most random codes would never be nearest to any input."""
        codes = _as_the_first(_draw(unit, torch.ones_like(unit[:, 0]), self.codebook_size, self._draws))
        self.codebook.copy_(codes)
        self.code_sum.copy_(codes)
        self.cluster_size.fill_(1.0)
        self.initialised.fill_(True)

    @torch.no_grad()
    def _follow(self, rows: tuple[Tensor, ...]) -> None:
        """One step of the moving averages (van den Oord et al. 2017, app. A.1), then revival.

        rows: unit inputs (N, D), their ids (N,) and their similarity to their codes (N,), of all processes.
        """
        unit, ids, similarity = rows
        counts = torch.bincount(ids, minlength=self.codebook_size).to(unit.dtype)
        sums = torch.zeros_like(self.code_sum).index_add_(0, ids, unit)
        # Inputs are drawn by their squared distance to their code, as in k-means++: where codes are missing.
        drawn = _as_the_first(_draw(unit, (1 - similarity).clamp_min(1e-6), self.codebook_size, self._draws))
        self.cluster_size.lerp_(counts, 1 - self.config.decay)
        self.code_sum.lerp_(sums, 1 - self.config.decay)
        mean = self.cluster_size.mean()
        dead = self.cluster_size < self.config.revive_below * mean
        drawn = drawn[(dead.cumsum(0) - 1).clamp_min(0)]
        self.cluster_size.copy_(torch.where(dead, mean, self.cluster_size))
        self.code_sum.copy_(torch.where(dead[:, None], drawn * mean, self.code_sum))
        self.codebook.copy_(F.normalize(self.code_sum, dim=-1))


def _own_stream(generator: torch.Generator | None) -> torch.Generator | None:
    """A generator that begins where `generator` stands. Whoever draws from that one draws the same whether, and how
    much, is drawn here."""
    if generator is None:
        return None
    own = torch.Generator(generator.device)
    own.set_state(generator.get_state())
    return own


def _draw(rows: Tensor, weights: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """`count` rows, drawn without replacement with odds `weights`; over again if there are too few."""
    device = rows.device if generator is None else generator.device
    uniform = torch.rand(rows.shape[0], generator=generator, device=device).to(rows.device)
    gumbel = -(-uniform.clamp_min(1e-20).log()).log()
    best = (weights.log() + gumbel).topk(min(count, rows.shape[0])).indices
    return rows[best[torch.arange(count, device=rows.device) % best.numel()]]


def _of_all_processes(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The rows of every process, in their order; as many of each. So several processes learn the codes of one."""
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return tensors
    gathered = []
    for rows in tensors:
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        gathered.append(torch.cat(parts))
    return tuple(gathered)


def _as_the_first(rows: Tensor) -> Tensor:
    """What the first process drew."""
    if dist.is_available() and dist.is_initialized():
        dist.broadcast(rows, 0)
    return rows


class FiniteScalarQuantize(nn.Module):
    """Finite scalar quantisation (Mentzer et al. 2024): each of a few channels is rounded to one of its
    levels.

    levels: how many values each channel takes, at least 2 each; the codebook is their product. No codebook to
    learn, no auxiliary loss.
    """

    basis: Tensor
    levels: Tensor

    def __init__(self, dim: int, levels: tuple[int, ...] = (8, 5, 5, 5)) -> None:
        super().__init__()
        if not levels or min(levels) < 2:
            raise ValueError(f"FSQ needs levels of at least 2 each, got {levels}")
        sizes = torch.tensor(levels)
        self.codebook_size = math.prod(levels)
        self.register_buffer("levels", sizes, persistent=False)
        basis = torch.cat([sizes.new_ones(1), sizes[:-1]]).cumprod(0)
        self.register_buffer("basis", basis, persistent=False)
        self.project_in = nn.Linear(dim, len(levels))
        self.project_out = nn.Linear(len(levels), dim)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Quantised:
        """x: (..., dim). Nothing is drawn: generator is there for the common contract."""
        bounded = self._bound(x)
        digits = (bounded + (bounded.round() - bounded).detach()) if self.training else bounded.round()
        ids = self._ids(digits.detach())
        vectors = self.project_out(self._scale(digits))
        share = torch.bincount(ids.flatten(), minlength=self.codebook_size) / ids.numel()
        perplexity = torch.special.entr(share).sum().exp()
        return Quantised(vectors, ids, vectors.new_zeros(()), perplexity)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """x (..., dim) to ids int64 (...)."""
        return self._ids(self._bound(x).round())

    def codes(self, ids: Tensor) -> Tensor:
        """ids int64 (...) to the vectors (..., dim) that the decoder reads."""
        return self.project_out(self._grid(ids))

    def code_vectors(self) -> Tensor:
        """float32 (codebook_size, channels), values in [-1, 1]."""
        return self._grid(torch.arange(self.codebook_size, device=self.levels.device))

    def _grid(self, ids: Tensor) -> Tensor:
        return self._scale(ids[..., None] // self.basis % self.levels)

    def _bound(self, x: Tensor) -> Tensor:
        """Squash channel i into (-0.5, levels_i - 0.5), so that rounding gives 0 .. levels_i - 1."""
        with torch.autocast(x.device.type, enabled=False):
            z = self.project_in(x.to(self.project_in.weight.dtype))
        return (z.tanh() * (1 - 1e-3) + 1) * (self.levels / 2) - 0.5

    def _scale(self, digits: Tensor) -> Tensor:
        """Digits 0 .. levels-1 to [-1, 1]."""
        return digits * (2 / (self.levels - 1)) - 1

    def _ids(self, digits: Tensor) -> Tensor:
        return (digits.round().long() * self.basis).sum(-1)
