"""Bytes that are nearly those of a file: a few random changes at a time."""

import random
from collections.abc import Sequence

INTERESTING = (0, 1, 2, 7, 8, 16, 32, 64, 100, 127, 128, 255)

WORDS = (
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00",
    b"\x7f\xff\xff\xff",
    b"\x00\x00\x00\x80",
    b"99999999999999999999",
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\r",
    b"\n",
    b'"',
    b"'",
    b"{",
    b"[[[[[[[[",
    b"../../../",
    b"/etc/passwd",
    b"%s%n",
    b"!!python/object/apply:os.system ['true']",
    b"\xd8\x00",
)

MOST_BYTES = 200_000


def mutate(content: bytes, rng: random.Random, tokens: Sequence[bytes] = ()) -> bytes:
    """A file with one to eight changes.

    Args:
        content: The file.
        rng: Draws them.
        tokens: Words of the format, beside those that trouble any.
    """
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        _change(data, rng, tokens)
    return bytes(data[:MOST_BYTES])


def _change(data: bytearray, rng: random.Random, tokens: Sequence[bytes]) -> None:
    place = rng.randrange(len(data) + 1)
    length = rng.choice((1, 1, 2, 4, 8, 40))
    match rng.randrange(9):
        case 0 if data:
            data[place % len(data)] ^= 1 << rng.randrange(8)
        case 1 if data:
            data[place % len(data)] = rng.choice(INTERESTING)
        case 2:
            data[place:place] = rng.randbytes(length)
        case 3:
            del data[place : place + length]
        case 4:
            data[place : place + length] = rng.randbytes(length)
        case 5:
            start = rng.randrange(len(data) + 1)
            data[place:place] = data[start : start + length * 4]
        case 6:
            word = rng.choice((*WORDS, *tokens))
            data[place : place + rng.choice((0, len(word)))] = word
        case 7:
            del data[place:]
        case 8:
            start = rng.randrange(len(data) + 1)
            part = bytes(data[start : start + 64])
            data[place : place + len(part)] = part
