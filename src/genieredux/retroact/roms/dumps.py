"""What is in the bytes of a ROM file: the same cartridge comes with and without headers, whole or interleaved.

Knows the formats; knows no game and no folder.
"""

import hashlib
from collections.abc import Iterator

INES = b"NES\x1a"
_INES_BYTES = 16
_COPIER_BYTES = 512  # what cartridge copiers put before the data
_SMD_BLOCK = 0x4000


def readings(data: bytes, nes: bool = False) -> Iterator[tuple[str, bytes]]:
    """Each way to read a file as a cartridge: (SHA-1 as stable-retro takes it, the bytes that its emulator loads).

    A Nes ROM is hashed without its iNES header and kept with it. A file with a copier's header (its length is
    512 more than whole KiB) is also read without it, and as a Super Magic Drive dump: interleaved blocks of 16 KiB.
    nes: whether the file calls itself a Nes ROM, which the emulator loads with a header only.
    """
    if data.startswith(INES):
        yield sha1(data[_INES_BYTES:]), data
    if not nes:
        yield sha1(data), data
        if len(data) % 1024 == _COPIER_BYTES:
            body = data[_COPIER_BYTES:]
            yield sha1(body), body
            if len(body) % _SMD_BLOCK == 0:
                plain = _deinterleaved(body)
                yield sha1(plain), plain


def stored_sha1(data: bytes, console: str) -> str:
    """The SHA-1 of a ROM as it lies in a game's folder, the way stable-retro's `verify_hash` takes it."""
    return sha1(data[_INES_BYTES:] if console == "Nes" else data)


def sha1(data: bytes) -> str:
    """Lower-case hexadecimal SHA-1: an identity here, not a protection."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def _deinterleaved(body: bytes) -> bytes:
    """Super Magic Drive blocks to plain order: the first half of a block holds its odd bytes, the second its even."""
    plain = bytearray(len(body))
    half = _SMD_BLOCK // 2
    for start in range(0, len(body), _SMD_BLOCK):
        plain[start + 1 : start + _SMD_BLOCK : 2] = body[start : start + half]
        plain[start : start + _SMD_BLOCK : 2] = body[start + half : start + _SMD_BLOCK]
    return bytes(plain)
