"""A random order of 0..n-1 that is never stored: any position of it can be asked for, at the cost of a few
multiplications.

A Feistel network over the smallest even number of bits that holds n, with keys from the seed, is a
permutation of a power of four; walking its cycle until it falls below n makes it one of 0..n-1 (Black &
Rogaway, "Ciphers with arbitrary finite domains", 2002). Knows no windows.
"""

import numpy as np

_ROUNDS = 6
_U64 = np.uint64
_GOLDEN = 0x9E3779B97F4A7C15
_MASK64 = (1 << 64) - 1


class Permutation:
    """The permutation of 0..n-1 named by `seed`. Memory and set-up do not depend on n; raises ValueError
    unless 1 <= n < 2**62.
    """

    def __init__(self, n: int, seed: int) -> None:
        if not 1 <= n < 1 << 62:
            raise ValueError(f"a permutation of {n} things")
        self.n = n
        bits = max((n - 1).bit_length(), 2)
        self._half = _U64((bits + 1) // 2)
        self._mask = _U64((1 << int(self._half)) - 1)
        self._keys = [_U64(_mix_int((seed * _ROUNDS + i + 1) & _MASK64)) for i in range(_ROUNDS)]

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """What stands at these positions (int, any shape, each in 0..n-1), as int64 of the same shape."""
        values = np.atleast_1d(np.asarray(positions)).astype(_U64)
        values = self._encrypt(values)
        outside = values >= self.n
        while outside.any():
            values[outside] = self._encrypt(values[outside])
            outside = values >= self.n
        return values.astype(np.int64).reshape(np.shape(positions))

    def _encrypt(self, values: np.ndarray) -> np.ndarray:
        left, right = values >> self._half, values & self._mask
        for key in self._keys:
            left, right = right, left ^ (_mix(right ^ key) & self._mask)
        return (left << self._half) | right


def _mix(x: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: every output bit depends on every input bit."""
    x = (x ^ (x >> _U64(30))) * _U64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> _U64(27))) * _U64(0x94D049BB133111EB)
    return x ^ (x >> _U64(31))


def _mix_int(x: int) -> int:
    return int(_mix(np.array([(x * _GOLDEN) & _MASK64], dtype=_U64))[0])
