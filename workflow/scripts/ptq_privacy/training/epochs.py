"""What every built-in training shares: the recipe, its optimiser and learning rate, its epochs.

How a batch is drawn and what is learned of it is each training's own (`sgd`, `dp_sgd`). Every epoch
draws from generators of its own, so a training that goes on after some of its epochs ends with the
weights of one that was never stopped: to the byte on one CPU thread.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ptq_privacy.networks import structure
from ptq_privacy.study.seeds import seed_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with a cosine learning rate, with momentum as in the paper.

    `optimizer` is a key of `OPTIMIZERS`; AdamW has moments of its own in place of `momentum`.
    `augmentation` holds the keywords of the kind's `augment.augmented`. `dp` holds epsilon, delta
    and clip of a differentially private training.
    """

    optimizer: str
    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    augmentation: Mapping[str, Any]
    autocast: bool
    dp: Mapping[str, float] | None = None

    def steps(self, members: int) -> int:
        """Of an epoch.

        Raises:
            ValueError: fewer members than one batch.
        """
        if members < self.batch_size:
            raise ValueError(
                f"training.batch_size: {self.batch_size} is more than a model's {members} members"
            )
        return members // self.batch_size


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


@dataclass(frozen=True)
class Training:
    """One model's training: its recipe and seeds, where it begins, and who is told of each epoch.

    steps: of an epoch.
    seed, model: fix the order of samples and every augmentation, epoch by epoch.
    done: the epochs that need no repeating.
    after_epoch: called after each epoch but the last; the tensors it gets are live ones.
    """

    recipe: Recipe
    steps: int
    seed: int
    model: int
    done: Progress | None
    after_epoch: Callable[[Progress], None]

    def run(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        batches: Callable[[int, torch.Generator], Iterable[Tensor]],
        learn: Callable[[Tensor, torch.Generator], Tensor],
    ) -> None:
        """Train a network, in training mode, for the epochs that are left.

        Args:
            batches: of an epoch, by its number and the generator of its order: as many as it has
                steps, each int64 [B].
            learn: one step of the optimiser on a batch; the same generator draws its augmentation.
                Returns the mean loss of the batch.

        Raises:
            FloatingPointError: the loss became infinite or NaN; names the model and the epoch.
        """
        recipe, model = self.recipe, self.model
        begin = 0 if self.done is None else _go_on(network, optimizer, self.done)
        started = time.monotonic()
        for epoch in range(begin, recipe.epochs):
            torch.manual_seed(seed_of("epoch network", self.seed, model, epoch))
            generator = torch.Generator().manual_seed(
                seed_of("epoch order", self.seed, model, epoch)
            )
            total: Tensor | float = 0.0
            for step, chosen in enumerate(batches(epoch, generator)):
                progress = (epoch * self.steps + step) / (recipe.epochs * self.steps)
                _set_learning_rate(optimizer, recipe, progress)
                total = total + learn(chosen, generator)
            elapsed = time.monotonic() - started
            left = elapsed / (epoch + 1 - begin) * (recipe.epochs - epoch - 1)
            _report(model, epoch, recipe.epochs, float(total) / self.steps, left)
            if epoch + 1 < recipe.epochs:
                self.after_epoch(
                    Progress(epoch + 1, network.state_dict(), _buffers(network, optimizer))
                )


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
