"""The seed of each random stream: no two draws of a study share their numbers.

A stream is drawn from the study's seed, its own name and the numbers that it is drawn for, through
SHA-256. Seeds that are sequences of numbers would not do: numpy takes (s,) and (s, 0) for one.
"""

from __future__ import annotations

import hashlib

import numpy as np

from ptq_privacy.study.streams import STREAMS


def seed_of(stream: str, seed: int, *numbers: int) -> int:
    """The seed of one stream, 0 to 2^63 - 1, for a generator of torch's or numpy's.

    Torch's on the CPU keeps the low 32 bits of it, so there two of n streams fall together with a
    probability of n^2 / 2^33; numpy's keep all.

    Args:
        stream: a name in `STREAMS`.
        seed: of the study.
        numbers: as many as `STREAMS` names, none negative.

    Raises:
        ValueError: an unknown stream, other numbers than it takes, or a negative one.
    """
    if stream not in STREAMS:
        raise ValueError(f"stream {stream!r} is none of {', '.join(STREAMS)}")
    if len(numbers) != len(STREAMS[stream]):
        raise ValueError(f"stream {stream!r} is for {STREAMS[stream]}, not for {numbers}")
    if min(seed, *numbers, 0) < 0:
        raise ValueError(f"seed: {(seed, *numbers)} holds a negative number")
    text = "\0".join([stream, *map(str, (seed, *numbers))])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(stream: str, seed: int, *numbers: int) -> np.random.Generator:
    """A generator at the beginning of one stream; arguments as `seed_of`."""
    return np.random.default_rng(seed_of(stream, seed, *numbers))
