"""Training one model of the pool by plain stochastic gradient descent, in any precision.

The whole data set is one tensor on the device. A batch is one gather that augments each sample by
its own draw; there are no worker processes and no per-sample Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptq_privacy.networks.memory_order import in_order, memory_order
from ptq_privacy.training.epochs import OPTIMIZERS, Progress, Recipe, Training


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

    Args:
        draw: an augmented batch of some of the model's members, int64 [B] of n.
        labels: the members' classes, int64 [n].
        normalise: what it makes of a batch is what the network takes.
        seed, model, done, after_epoch: as `Training` has them.

    Raises:
        ValueError: fewer members than one batch.
        FloatingPointError: the loss became infinite or NaN; names the model and the epoch.
    """
    steps = recipe.steps(len(labels))
    device = labels.device
    order_in_memory = memory_order(network)
    network.train().to(memory_format=order_in_memory)
    optimizer = OPTIMIZERS[recipe.optimizer](network.parameters(), recipe)

    def batches(epoch: int, generator: torch.Generator) -> Iterable[Tensor]:
        """A sample once an epoch; a remainder that fills no batch waits for the next order."""
        order = torch.randperm(len(labels), generator=generator).to(device)
        return order[: steps * recipe.batch_size].split(recipe.batch_size)

    def learn(chosen: Tensor, generator: torch.Generator) -> Tensor:
        batch = in_order(normalise(draw(chosen, generator)), order_in_memory)
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.autocast):
            logits = network(batch)
        loss = F.cross_entropy(logits.float(), labels[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    Training(recipe, steps, seed, model, done, after_epoch).run(network, optimizer, batches, learn)
    return network.eval()
