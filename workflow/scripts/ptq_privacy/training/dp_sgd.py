"""Differentially private training, DP-SGD (Abadi et al. 2016) through Opacus.

What is promised: the network is (epsilon, delta)-differentially private in its members, where
neighbouring data sets differ by one sample that is *added or removed*. Each step takes each member
with one probability (Poisson sampling), clips each sample's gradient to `clip`, and adds Gaussian
noise to the sum; how much noise follows from epsilon and delta by Opacus' Rényi accountant (Mironov
2017; Mironov, Talwar and Zhang 2019). It asks for some 3 to 8 % more noise than its numerical one
(PRV), and stands on proofs alone, also at the tiny deltas that `replacing` needs. All arithmetic is
float32, so that gradients are clipped as exactly as is promised. Each sample's gradient is that of
a batch of its own, by torch.func: no layer can mix samples there. On one thread it took 1.4 to 2
times as long as plain training for a small ResNet and a transformer, where Opacus' hooks took 1.8
to 3.6, and its ghost clipping 2.6 to 3.4; for an MLP 10 times, hooks 14, ghost clipping 4.

The random numbers are torch's and follow from the study's seed, so that a study can be repeated:
whoever knows the seed knows the noise (Opacus' secure mode is off). This is for audits; to publish
a network, train it with a seed that nobody knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from opacus.accountants import RDPAccountant
from opacus.accountants.analysis import rdp
from opacus.accountants.utils import get_noise_multiplier
from opacus.optimizers import DPOptimizer
from opacus.utils.uniform_sampler import UniformWithReplacementSampler
from opacus.validators import ModuleValidator
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from ptq_privacy.study.seeds import seed_of
from ptq_privacy.training.epochs import OPTIMIZERS, Progress, Recipe, Training

ORDERS = [*RDPAccountant.DEFAULT_ALPHAS, 64, 80, 96, 128, 192, 256, 384, 512, 1024]
"""Opacus' own orders of Rényi divergence, and higher ones, without which no epsilon below 0.1 can
be promised."""

HELD = 2**28
"""Numbers of samples' gradients that are in memory at once, a gigabyte; one sample's at least."""

LEAST = -700.0  # log of a delta that is still a number
BISECTIONS = 40


@dataclass(frozen=True)
class Promise:
    """What was promised of a training, once it is finished.

    epsilon: that the accountant has spent at `delta`, where neighbours add or remove a sample.
    replacing: an epsilon that follows at the same delta where they replace one sample by another.
    noise_multiplier: the noise's deviation, in units of `clip`.
    """

    epsilon: float
    delta: float
    replacing: float
    noise_multiplier: float


def train(
    network: nn.Module,
    draw: Callable[[Tensor, torch.Generator], Tensor],
    labels: Tensor,
    recipe: Recipe,
    normalise: Callable[[Tensor], Tensor],
    seed: int,
    model: int,
    done: Progress | None = None,
    after_epoch: Callable[[Progress], None] = lambda progress: None,
) -> nn.Module:
    """Train `network` by `recipe.dp`; arguments and result as `sgd.train` has them.

    An epoch has as many steps as without privacy, and `batch_size` samples a step on average.

    Raises:
        ValueError: fewer members than one batch, or no noise reaches the epsilon.
        FloatingPointError: the loss became infinite or NaN; names the model and the epoch.
    """
    assert recipe.dp is not None
    members, device = len(labels), labels.device
    steps = recipe.steps(members)
    network.train().to(memory_format=torch.contiguous_format)
    gradients = _of_each_sample(network)
    optimizer = DPOptimizer(
        OPTIMIZERS[recipe.optimizer](network.parameters(), recipe),
        noise_multiplier=noise_multiplier(recipe, members),
        max_grad_norm=recipe.dp["clip"],
        expected_batch_size=recipe.batch_size,
    )
    optimizer.attach_step_hook(_in_one_order)

    def batches(epoch: int, generator: torch.Generator) -> Iterable[Tensor]:
        optimizer.generator = torch.Generator(device).manual_seed(
            seed_of("privacy noise", seed, model, epoch)
        )
        sampler = UniformWithReplacementSampler(
            num_samples=members,
            sample_rate=recipe.batch_size / members,
            generator=generator,
            steps=steps,
        )
        return (torch.tensor(chosen, dtype=torch.int64, device=device) for chosen in sampler)

    at_once = max(1, HELD // sum(parameter.numel() for parameter in optimizer.params))

    def learn(chosen: Tensor, generator: torch.Generator) -> Tensor:
        batch, own = normalise(draw(chosen, generator)), labels[chosen]
        total = torch.zeros((), device=device)
        optimizer.zero_grad(set_to_none=True)
        parts = list(zip(batch.split(at_once), own.split(at_once), strict=True))
        for part in parts[:-1]:
            total += gradients(*part)
            optimizer.signal_skip_step()
            optimizer.step()  # clips, and waits for the rest of the batch
            optimizer.zero_grad(set_to_none=True)
        total += gradients(*parts[-1])
        optimizer.step()
        return total / max(1, len(chosen))

    Training(recipe, steps, seed, model, done, after_epoch).run(network, optimizer, batches, learn)
    optimizer.zero_grad(set_to_none=True)
    return network.eval()


def _of_each_sample(network: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    """What gives every trained parameter its gradients, `grad_sample` [B, ...], of a batch [B, ...]
    and its labels, and returns the sum of the losses."""
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}

    def loss(parameters: dict[str, Tensor], sample: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(network, parameters, (sample[None],)), label[None])

    each = vmap(grad_and_value(loss), in_dims=(None, 0, 0), randomness="different")

    def gradients(batch: Tensor, labels: Tensor) -> Tensor:
        if not len(batch):  # then noise is all there is to learn
            for parameter in trained.values():
                parameter.grad_sample = parameter.new_zeros(0, *parameter.shape)  # type: ignore[attr-defined]
            return torch.zeros((), device=batch.device)
        known = {name: parameter.detach() for name, parameter in trained.items()}
        found, losses = each(known, batch, labels)
        for name, parameter in trained.items():
            parameter.grad_sample = found[name]  # type: ignore[attr-defined]
        return losses.sum()

    return gradients


def _in_one_order(optimizer: DPOptimizer) -> None:
    """A fused optimiser walks parameter and gradient side by side: both need one memory order."""
    for parameter in optimizer.params:
        parameter.grad = torch.empty_like(parameter).copy_(parameter.grad)


def check(network: nn.Module, samples: Tensor, labels: Tensor) -> None:
    """See that a network can be trained so: by Opacus' validator, and by trying.

    Args:
        network: left in training mode, its state as it was.
        samples: some of the data set's, normalised, [N, ...].

    Raises:
        ValueError: it cannot; says why in Opacus' words, or in torch's.
    """
    found = ModuleValidator.validate(network.train())
    if found:
        raise ValueError(f"training.dp: {_one_line(found[0])}")
    before = {name: value.clone() for name, value in network.named_buffers()}
    try:
        _of_each_sample(network)(samples, labels)
        changed = [n for n, b in network.named_buffers() if not torch.equal(b, before[n])]
    except Exception as error:  # whatever the network does
        raise ValueError(
            "training.dp: its gradients cannot be taken sample by sample: "
            f"{type(error).__name__}: {_one_line(error)}"
        ) from error
    if changed:
        raise ValueError(
            f"training.dp: the buffer {changed[0]!r} changes with each batch, and no noise is "
            "added to it"
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def noise_multiplier(recipe: Recipe, members: int) -> float:
    """The least noise that keeps the recipe's promise, in units of its clip.

    Raises:
        ValueError: none does; names the key.
    """
    assert recipe.dp is not None
    steps = recipe.epochs * recipe.steps(members)
    epsilon, delta = recipe.dp["epsilon"], recipe.dp["delta"]
    try:
        return _least_noise(epsilon, delta, recipe.batch_size / members, steps)
    except (ValueError, OverflowError):
        raise ValueError(
            f"training.dp.epsilon: {epsilon:g} cannot be reached at delta {delta:g} in {steps} "
            f"steps of {recipe.batch_size} of {members} members, whatever the noise; allowed: more"
        ) from None


@lru_cache
def _least_noise(epsilon: float, delta: float, rate: float, steps: int) -> float:
    found = get_noise_multiplier(
        target_epsilon=epsilon,
        target_delta=delta,
        sample_rate=rate,
        steps=steps,
        accountant=RDPAccountant.mechanism(),
        epsilon_tolerance=epsilon / 1000,
        alphas=ORDERS,
    )
    return float(found)


def promise(recipe: Recipe, members: int) -> Promise:
    """What the accountant says of a training that is finished."""
    assert recipe.dp is not None
    noise, delta = noise_multiplier(recipe, members), recipe.dp["delta"]
    divergences = rdp.compute_rdp(
        q=recipe.batch_size / members,
        noise_multiplier=noise,
        steps=recipe.epochs * recipe.steps(members),
        orders=ORDERS,
    )

    def spent(delta: float) -> float:
        return float(rdp.get_privacy_spent(orders=ORDERS, rdp=divergences, delta=delta)[0])

    return Promise(spent(delta), delta, replacing(spent, delta), noise)


def replacing(spent: Callable[[float], float], delta: float) -> float:
    """An epsilon at `delta` where neighbours replace a sample, from those where they add or remove.

    To replace is to remove and to add. So what is (e, d)-private in one is (2 e, (1 + exp(e)) d)-
    private in the other (group privacy): twice the epsilon, but at a delta that has grown. Here d
    is chosen so small that (1 + exp(e)) d is `delta` at most.

    Args:
        spent: the epsilon at a delta.
    """
    low, high = LEAST, math.log(delta)  # of log d

    def grown(log_d: float) -> float:
        return log_d + float(np.logaddexp(0, spent(math.exp(log_d))))

    if grown(low) > math.log(delta):
        return math.inf
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if grown(middle) <= math.log(delta) else (low, middle)
    return 2 * spent(math.exp(low))
