"""Every attack on what cannot leak, on what leaks by a known amount, and in another order.

Rates are compared per sample, in its targets as a member against those as a non-member: samples
are independent of each other, so their spread gives the error of the mean over targets that share
shadow models.
"""

import numpy as np
import pytest
import torch
from scipy import stats

from ptq_privacy import attacks
from ptq_privacy.answers import inference, logits
from ptq_privacy.answers.answer_blocks import LogitBlock
from ptq_privacy.attacks import metrics
from ptq_privacy.data import membership
from ptq_privacy.data.preparation import prepare
from ptq_privacy.files import scores
from ptq_privacy.networks.normalised import Normalised
from ptq_privacy.stages.score_attacks import score_attacks
from ptq_privacy.study import fragments
from ptq_privacy.study.adversaries import ADVERSARIES, DEFAULT
from tests.unit.attacks import pools
from tests.unit.networks.by_name import build

MODELS, SAMPLES = 8, 400
ATTACKS = fragments.names("attacks")
# Tuned on folds, which go by number, and take their time.
QUICKLY = {"rmia": {"gamma": 2.0, "a": 0.3}}
SCORES = [score for name in ATTACKS for score in fragments.get("attacks", name).more["scores"]]


def attacked(evidence, adversary=DEFAULT[0], settings=None):
    """The scores of all attacks that run under an adversary, on what he has."""
    able = [
        a
        for a in ATTACKS
        if adversary in fragments.get("attacks", a).more.get("adversaries", DEFAULT)
    ]
    return attacks.score({name: {} for name in able} | (settings or {}), evidence)


def assert_gives_nothing_away(member, values, name):
    """AUC 0.5 and TPR = FPR, within four errors, as means of what each sample shows."""
    above = 1 - stats.rankdata(values, axis=1) / values.shape[1]
    for measure in (*((above < fpr).astype(float) for fpr in (0.01, 0.05, 0.2)), -above):
        inside = (measure * member).sum(axis=0) / member.sum(axis=0)
        outside = (measure * ~member).sum(axis=0) / (~member).sum(axis=0)
        gain = inside - outside
        assert abs(gain.mean()) <= 4 * gain.std() / np.sqrt(len(gain)), name


@pytest.fixture(scope="module")
def untrained():
    """Logits of random networks about real images, which no training has touched."""
    data = prepare({"name": "digits", "source": "digits", "audit_samples": SAMPLES})
    member = membership.draw(SAMPLES, MODELS, seed=1)
    images = torch.from_numpy(data.train_inputs)
    blocks = []
    for model in range(MODELS):
        torch.manual_seed(model)
        network = Normalised(build("resnet6", 10, images.shape[1]), data.kind, data.statistics)
        answer = inference.logits(network, images).numpy()
        blocks.append(LogitBlock(model, 0, data.train_labels, member[model], answer))
    return member, blocks


@pytest.mark.parametrize("reference", [False, True])
def test_untrained_networks_give_nothing_away(untrained, tmp_path, reference):
    """Through the files and stages of the study, from logits to scores."""
    member, blocks = untrained
    settings = {name: {"reference": reference} if name == "lira" else {} for name in ATTACKS}

    def scored(shards, output):
        given = {"full": shards[::-1]}
        score_attacks(given, output, "full", "transfer", MODELS, MODELS, settings, SCORES, 0, {})

    shards = [tmp_path / f"logits-{k}" for k in range(2)]
    for k, path in enumerate(shards):
        logits.write(path, blocks[4 * k : 4 * k + 4], 10, {})
    path = tmp_path / "scores"
    scored(shards, path)
    found = scores.read(path)
    assert set(found.attacks) == set(SCORES)
    np.testing.assert_array_equal(found.member, member)
    for score, values in found.attacks.items():
        assert_gives_nothing_away(member, values, score)
    # In other files and another order, byte for byte the same.
    third = [tmp_path / f"other-{k}" for k in range(4)]
    for k, other in enumerate(third):
        logits.write(other, blocks[2 * k : 2 * k + 2], 10, {})
    again = tmp_path / "again"
    scored(third, again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_labels_permuted_give_nothing_away_pooled(adversary):
    """Membership drawn anew after the scores: exact binomial error over pooled targets."""
    generator = np.random.default_rng(5)
    phi = generator.normal(size=(12, 2000, 1)) + 2 * generator.normal(size=(2000, 1))
    known = membership.draw(2000, 12, 0)
    evidence = pools.held(adversary, known, phi, pools.compressed(phi), range(12))
    for score, values in attacked(evidence, adversary).items():
        member = (generator.random(values.shape) < 0.5).ravel()
        n = member.size / 2
        auc = metrics.auc(member, values.ravel())
        assert auc == pytest.approx(0.5, abs=4 * np.sqrt(1 / (6 * n))), score
        untied = np.lexsort((generator.random(values.size), values.ravel())).argsort()
        for fpr in (0.001, 0.01, 0.1):
            error = np.sqrt(2 * fpr * (1 - fpr) / n)  # of the TPR, and of the threshold
            tpr = metrics.tpr_at_fpr(member, untied, fpr)
            assert abs(tpr - fpr) < 4 * error + 1 / n, (score, fpr)


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_a_known_shift_gives_the_analytic_auc(adversary):
    """phi ~ N(mu_i, 1) and d more for members: no attack can beat Phi(d / sqrt 2), and one
    that knows mu_i from many shadow models almost reaches it; without any, phi alone cannot.

    Compressed, phi is 0.8 of that and as much noise as makes the variance 1 again.
    """
    models, samples, shift = 32, 3000, 1.0
    generator = np.random.default_rng(2)
    member = membership.draw(samples, models, 2)
    ease = 3 * generator.normal(size=(samples, 1))
    phi = generator.normal(size=(models, samples, 1)) + ease + shift * member[..., None]
    own = 0.8 * phi[:, None] + 0.6 * generator.normal(size=(models, 1, samples, 1))
    middle = ease + shift / 2
    targets = range(6)
    evidence = pools.held(adversary, member, phi, own, targets, above=(middle, 0.8 * middle))
    reached = {
        score: np.mean([metrics.auc(member[t], values[t]) for t in targets])
        for score, values in attacked(evidence, adversary, QUICKLY).items()
    }
    error = 4 * 0.3 / np.sqrt(len(targets) * samples / 2)
    seen = shift if adversary == "both" else 0.8 * shift
    best = stats.norm.cdf(seen / np.sqrt(2))
    alone = stats.norm.cdf(0.8 * shift / np.sqrt(2 * (1 + 2.4**2)))  # the samples' spread on top
    for score, auc in reached.items():
        assert alone - 2 * error - 0.01 < auc < best + error, score
    assert reached["lira_moderated"] > best - error
    if adversary != "transfer":  # whose stand-ins are not compressed, as the target is
        assert reached["strongest"] > best - error
    if adversary == "adaptive":
        known = stats.norm.cdf(seen / np.sqrt(2 * (1 + np.pi / 2 / 15)))  # by a median of 15
        assert reached["lira_offline_fixed"] == pytest.approx(known, abs=error)
        assert reached["global_threshold"] == pytest.approx(alone, abs=2 * error + 0.01)
        gap = stats.norm.cdf(seen / 2)  # right where phi is above the middle
        assert reached["label_only"] == pytest.approx(gap, abs=error)


def test_the_order_of_models_and_samples_changes_nothing():
    generator = np.random.default_rng(4)
    member = membership.draw(60, 10, 4)
    phi = generator.normal(size=(10, 60, 2)) + member[..., None]

    def found(models, samples):
        answers, known = phi[models][:, samples], member[models][:, samples]
        return attacked(pools.evidence(answers, known, range(10)), settings=QUICKLY)

    expected = found(slice(None), slice(None))
    pairs = generator.permutation(5)
    models = np.stack([2 * pairs + 1, 2 * pairs], axis=1).ravel()  # twins swapped as well
    samples = generator.permutation(60)
    for attack, values in found(models, samples).items():
        np.testing.assert_allclose(values, expected[attack][models][:, samples], rtol=1e-9)
