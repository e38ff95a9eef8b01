"""Random streams: no two alike, each named, and nothing in the library draws from another."""

import itertools
import re

import numpy as np
import pytest
import torch

from ptq_privacy.study.digests import LIBRARY
from ptq_privacy.study.seeds import generator, seed_of
from ptq_privacy.study.streams import STREAMS

SEEDS = (0, 1, 2, 10, 11, 2**32, 2**64)
NUMBERS = (0, 1, 2, 10, 11, 21)
"""Run together, 1 and 11 would be 11 and 1; and numpy takes the seeds (1,) and (1, 0) for one."""


def places():
    """A stream's name, a study's seed and the stream's numbers, for all streams."""
    for stream, names in STREAMS.items():
        for seed, *numbers in itertools.product(SEEDS, *[NUMBERS] * len(names)):
            yield stream, seed, *numbers


def torch_generator(*place):
    return torch.Generator().manual_seed(seed_of(*place))


@pytest.mark.parametrize(
    "draw",
    [
        seed_of,
        lambda *place: int(generator(*place).integers(2**63)),
        lambda *place: tuple(generator(*place).permutation(40).tolist()),
        lambda *place: int(torch.randint(2**62, (), generator=torch_generator(*place))),
    ],
    ids=["seed", "numpy", "numpy's order", "torch"],
)
def test_no_two_streams_share_their_numbers(draw):
    found = [draw(*place) for place in places()]
    assert len(found) > 1000
    assert len(set(found)) == len(found)


def test_a_stream_is_the_same_whenever_it_is_drawn():
    for place in (("audit samples", 3), ("members", 3, 1), ("epoch order", 3, 1, 2)):
        np.testing.assert_array_equal(generator(*place).random(9), generator(*place).random(9))


def test_seeds_are_what_generators_take():
    """Both torch's and numpy's; and spread over the whole range, so no two are likely to meet."""
    seeds = np.array([seed_of(*place) for place in places()])
    assert seeds.dtype == np.int64
    assert seeds.min() >= 0
    assert abs(seeds.mean() / 2**63 - 0.5) < 5 / np.sqrt(12 * len(seeds))


def test_the_derivation_stays():
    """All that was ever drawn follows from it: these may change only on purpose."""
    assert seed_of("members", 0, 0) == 1814449136762231826
    assert seed_of("epoch order", 7, 3, 11) == 1716662931154537224
    assert generator("members", 0, 0).permutation(8).tolist() == [4, 5, 3, 7, 6, 2, 1, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("member", 0, 0), "stream 'member' is none of audit samples, test split, members, "),
        (("", 0), "stream '' is none of audit samples,"),
        (("members", 0), r"stream 'members' is for \('pair',\), not for \(\)"),
        (("members", 0, 1, 2), r"stream 'members' is for \('pair',\), not for \(1, 2\)"),
        (("audit samples", 0, 1), r"stream 'audit samples' is for \(\), not for \(1,\)"),
        (("epoch order", 0, 1), r"is for \('model', 'epoch'\), not for \(1,\)"),
        (("members", -1, 0), r"seed: \(-1, 0\) holds a negative number"),
        (("members", 0, -1), r"seed: \(0, -1\) holds a negative number"),
        (("epoch order", 0, 1, -2), r"seed: \(0, 1, -2\) holds a negative number"),
    ],
)
@pytest.mark.parametrize("draw", [seed_of, generator])
def test_what_is_no_stream_is_refused(draw, arguments, message):
    with pytest.raises(ValueError, match=message):
        draw(*arguments)


def sources():
    """The text of every module of the library, by its path, but for where streams are made."""
    for path in sorted(LIBRARY.rglob("*.py")):
        name = path.relative_to(LIBRARY).as_posix()
        if name not in ("study/seeds.py", "study/streams.py"):
            yield name, path.read_text()


SEEDING = re.compile(r"(default_rng|SeedSequence|manual_seed|torch\.Generator)\(([^()]*)")
UNNAMED = re.compile(
    r"RandomState|np\.random\.(?!Generator|default_rng)|^import random|random\.seed", re.MULTILINE
)
DERIVED = {
    "graph/walk.py": "an argument of `Walk`, which every method passes on",
    "training/procedure.py": "that of your own training",
    "compression/dropping.py": "drawn from the walk's, of the compression's",
}
"""Where a seed comes as an argument named `seed`, which the stage takes from `seed_of`."""


def test_every_draw_is_from_a_named_stream():
    of_argument = set()
    for name, text in sources():
        assert not UNNAMED.search(text), f"{name} draws from an unnamed stream"
        seeded = re.sub(r"torch\.Generator\((device)?\)\.manual_seed\(", "manual_seed(", text)
        for call, argument in ((call, a.strip()) for call, a in SEEDING.findall(seeded)):
            if argument == "seed" and call == "manual_seed":
                of_argument.add(name)
            else:
                assert argument == "seed_of", f"{name}: {call}({argument}"
    assert of_argument == DERIVED.keys()


def test_every_stream_is_drawn_from_and_by_its_name():
    drawn = [re.findall(r"\b(?:generator|seed_of)\(\s*\"([^\"]*)\"", text) for _, text in sources()]
    assert {name for names in drawn for name in names} == STREAMS.keys()
