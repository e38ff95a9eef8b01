"""Pools whose models learned a known amount, for tests of attacks and of what they look at."""

import numpy as np

from ptq_privacy.attacks import sides
from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.study.adversaries import ADVERSARIES, DEFAULT, FULL

COMPRESSED = "w2"


def in_pairs(models, samples, seed=0):
    """Models 2k and 2k+1 are complementary; a member of one is drawn by a coin."""
    generator = np.random.default_rng(seed)
    member = np.empty((models, samples), dtype=bool)
    member[0::2] = generator.random((models // 2, samples)) < 0.5
    member[1::2] = ~member[0::2]
    return member


def by_coin(models, samples, seed=0):
    """Each model and sample by a coin; a sample that fewer than two models on a side have again."""
    generator = np.random.default_rng(seed)
    member = generator.random((models, samples)) < 0.5
    while (few := np.minimum(member.sum(axis=0), (~member).sum(axis=0)) < 2).any():
        member[:, few] = generator.random((models, few.sum())) < 0.5
    return member


def answers(member, queries=1, effect=1.0, seed=0, location=5.0):
    """phi, with each sample's own location, spread and effect of membership."""
    generator = np.random.default_rng((seed, 1))
    models, samples = member.shape
    place, spread = generator.normal(size=samples) * location, generator.lognormal(size=samples)
    noise = generator.normal(size=(queries, models, samples))
    phi = place + spread * (noise + effect * member)
    return np.ascontiguousarray(np.moveaxis(phi, 0, -1))


def evidence(phi, member, targets, **more):
    """Of targets that are models of the pool, which answered as they do there."""
    targets = tuple(targets)
    return Evidence(
        targets=targets,
        member=member,
        target_phi={"full": phi[list(targets)]},
        pool_phi={"full": phi[:, None]},
        target_correct={"full": phi[list(targets)] > 0},
        pool_correct={"full": phi[:, None] > 0},
        **more,
    )


def compressed(phi, draws=1, seed=0):
    """What compressed models answer [models, draws, samples, queries], fainter and noisier."""
    models, samples, queries = phi.shape
    noise = np.random.default_rng((seed, 2)).normal(size=(models, draws, samples, queries))
    return 0.7 * phi[:, None] - 0.3 + 0.5 * noise


def held(adversary, member, phi, own, targets, above=(0.0, 0.0)):
    """What an adversary has of targets at a variant; of `full`, where nothing is compressed.

    phi: at full precision, [models, samples, queries]. own: compressed, [models, draws, ...].
    above: what phi exceeds where an answer is right, at full precision and compressed.
    """
    known, variant = (DEFAULT[0], FULL) if adversary == FULL else (adversary, COMPRESSED)
    has, targets = ADVERSARIES[known], list(targets)
    values = {FULL: phi[:, None], COMPRESSED: own if has.draws else own[:, :1]}
    right = {
        name: values[name] > least for name, least in zip((FULL, COMPRESSED), above, strict=True)
    }
    return Evidence(
        targets=tuple(targets),
        member=member,
        target_phi={name: values[name][targets, 0] for name in has.of_targets(variant)},
        pool_phi={name: values[name] for name in has.of_pool(variant)},
        target_correct={name: right[name][targets, 0] for name in has.of_targets(variant)},
        pool_correct={name: right[name] for name in has.of_pool(variant)},
    )


def kept(found):
    """By side, in and out, the models whose values a target is scored with: sets [target][sample].

    Of a pool of arbitrary membership: seen by putting each model's number in place of its phi.
    """
    number = np.arange(len(found.member), dtype=np.float64)[:, None, None]
    numbers = np.broadcast_to(number, found.shadow.shape)
    marked = Evidence(
        targets=found.targets,
        member=found.member,
        target_phi=found.target_phi,
        pool_phi={"full": numbers[:, None]},
        seed=found.seed,
    )
    seen = []
    for _ in sides.means(marked, lambda values: seen.append(values) or values):
        pass
    samples, queries = found.shadow.shape[1:]
    blocks = [seen[2 * block * queries :][:2] for block in range(len(seen) // (2 * queries))]
    assert sum(block[0].shape[2] for block in blocks) == samples
    return [
        [
            [
                {int(m) for m in block[side][row, :, s] if not np.isnan(m)}
                for block in blocks
                for s in range(block[side].shape[2])
            ]
            for row in range(len(found.targets))
        ]
        for side in (0, 1)
    ]
