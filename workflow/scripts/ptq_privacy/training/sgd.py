"""Training one model of the pool: the same recipe for every target and every shadow model.

The whole data set is one tensor on the device. A batch is one gather that augments each sample by
its own draw; there are no worker processes and no per-sample Python.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptq_privacy.networks import structure
from ptq_privacy.networks.memory_order import in_order, memory_order
from ptq_privacy.study.seeds import seed_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with a cosine learning rate, with momentum as in the paper.

    `optimizer` is a key of `OPTIMIZERS`; AdamW has moments of its own in place of `momentum`.
    `augmentation` holds the keywords of the kind's `augment.augmented`.
    """

    optimizer: str
    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    augmentation: Mapping[str, Any]
    autocast: bool


@dataclass(frozen=True)
class Progress:
    """A training after some of its epochs: all that the rest of it depends on.

    `network` is the network's state, `optimizer` the optimiser's buffers, by "buffer/parameter".
    """

    epochs: int
    network: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]


def _sgd(parameters: Iterable[Tensor], recipe: Recipe) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        parameters,
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def _adamw(parameters: Iterable[Tensor], recipe: Recipe) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )


OPTIMIZERS = {"sgd": _sgd, "adamw": _adamw}


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
    """Train `network`, which lies on the labels' device, and return it in eval mode.

    Every epoch draws from generators of its own, so a training that goes on from `done` ends with
    the weights of one that was never stopped: to the byte on one CPU thread.

    Args:
        draw: an augmented batch of some of the model's members, int64 [B] of n.
        labels: the members' classes, int64 [n].
        normalise: what it makes of a batch is what the network takes.
        seed, model: fix the order of samples and every augmentation, epoch by epoch.
        done: the epochs that need no repeating.
        after_epoch: called after each epoch but the last; the tensors it gets are live ones.

    Raises:
        ValueError: fewer members than one batch.
        FloatingPointError: the loss became infinite or NaN; names the model and the epoch.
    """
    steps = len(labels) // recipe.batch_size
    if steps == 0:
        raise ValueError(
            f"training.batch_size: {recipe.batch_size} is more than a model's {len(labels)} members"
        )
    device = labels.device
    order_in_memory = memory_order(network)
    network.train().to(memory_format=order_in_memory)
    optimizer = OPTIMIZERS[recipe.optimizer](network.parameters(), recipe)
    begin = 0 if done is None else _go_on(network, optimizer, done)
    started = time.monotonic()
    for epoch in range(begin, recipe.epochs):
        torch.manual_seed(seed_of("epoch network", seed, model, epoch))
        generator = torch.Generator().manual_seed(seed_of("epoch order", seed, model, epoch))
        order = torch.randperm(len(labels), generator=generator).to(device)
        total = torch.zeros((), device=device)
        for step in range(steps):
            chosen = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            batch = in_order(normalise(draw(chosen, generator)), order_in_memory)
            _set_learning_rate(optimizer, recipe, (epoch * steps + step) / (recipe.epochs * steps))
            with torch.autocast(device.type, torch.bfloat16, enabled=recipe.autocast):
                logits = network(batch)
            loss = F.cross_entropy(logits.float(), labels[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach()
        elapsed = time.monotonic() - started
        left = elapsed / (epoch + 1 - begin) * (recipe.epochs - epoch - 1)
        _report(model, epoch, recipe.epochs, float(total) / steps, left)
        if epoch + 1 < recipe.epochs:
            after_epoch(Progress(epoch + 1, network.state_dict(), _buffers(network, optimizer)))
    return network.eval()


def _buffers(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{buffer}/{name}": value
        for name, parameter in network.named_parameters()
        if parameter in optimizer.state
        for buffer, value in optimizer.state[parameter].items()
        if value is not None
    }


def _go_on(network: nn.Module, optimizer: torch.optim.Optimizer, done: Progress) -> int:
    """Give network and optimizer the state they had, and return the epoch that comes next."""
    structure.load(network, done.network)
    parameters = dict(network.named_parameters())
    for key, value in done.optimizer.items():
        buffer, _, name = key.partition("/")
        parameter = parameters[name]
        # A fused optimiser walks parameter and buffer side by side, so both need one memory order.
        like = parameter.detach() if value.ndim else value  # a number counts the steps
        optimizer.state[parameter][buffer] = torch.empty_like(like).copy_(value)
    return done.epochs


def _set_learning_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, progress: float) -> None:
    rate = recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
    for group in optimizer.param_groups:
        group["lr"] = rate


def _report(model: int, epoch: int, epochs: int, loss: float, left: float) -> None:
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"model {model}, epoch {epoch + 1} of {epochs}: the training loss is {loss}; "
            "lower training.learning_rate"
        )
    log.info("model %d epoch %d/%d loss %.4f, %.0f s left", model, epoch + 1, epochs, loss, left)
