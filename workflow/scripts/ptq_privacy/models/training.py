"""Training one model of the pool: the same recipe for every target and every shadow model.

The whole data set is one uint8 tensor on the device. A batch is one gather that crops and flips
each sample by its own draw; there are no worker processes and no per-image Python.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with momentum and a cosine learning rate, as in the paper."""

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    flip: bool
    crop_padding: int
    autocast: bool


@dataclass(frozen=True)
class Progress:
    """A training after some of its epochs: all that the rest of it depends on.

    `network` is the network's state, `momentum` SGD's buffers by parameter name.
    """

    epochs: int
    network: Mapping[str, Tensor]
    momentum: Mapping[str, Tensor]


def seed_everything(seed: int, model: int) -> None:
    """Fix torch's generator for one model: its initial weights depend on (seed, model) alone."""
    torch.manual_seed(_mix(seed, model, 0))


def _mix(seed: int, model: int, *stream: int) -> int:
    """One well-mixed 63-bit seed: stream 0 for initial weights, 1 + e for epoch e.

    Stream (1 + e, 1) is for what the network itself draws in epoch e, such as dropout.
    """
    return int(np.random.SeedSequence((seed, model, *stream)).generate_state(1, np.uint64)[0] >> 1)


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Pixels [N, C, H, W] in 0..255 to float32 with the data set's mean and deviation removed."""
    scale = (1 / (255 * std)).view(1, -1, 1, 1)
    return images.to(torch.float32) * scale - (mean / std).view(1, -1, 1, 1)


def crop_and_flip(
    padded: Tensor, chosen: Tensor, size: tuple[int, int], flip: bool, generator: torch.Generator
) -> Tensor:
    """One batch [B, C, H, W] out of zero-padded images [N, C, H+2p, W+2p], each with its own draw.

    Cropping and flipping are the same gather; its result lies in channels-last memory order.
    """
    height, width = size
    count = len(chosen)
    room_y, room_x = padded.shape[2] - height, padded.shape[3] - width
    top = torch.randint(room_y + 1, (count, 1), generator=generator)
    left = torch.randint(room_x + 1, (count, 1), generator=generator)
    columns = torch.arange(width).expand(count, width)
    if flip:
        flipped = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(flipped, width - 1 - columns, columns)
    rows = (top + torch.arange(height)).to(padded.device)
    columns = (left + columns).to(padded.device)
    batch = padded[chosen[:, None, None], :, rows[:, :, None], columns[:, None, :]]  # [B, H, W, C]
    return batch.permute(0, 3, 1, 2)


def train(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    mean: Tensor,
    std: Tensor,
    seed: int,
    model: int,
    done: Progress | None = None,
    after_epoch: Callable[[Progress], None] = lambda progress: None,
) -> nn.Module:
    """Train `network`, which lies on the images' device, and return it in eval mode.

    Every epoch draws from generators of its own, so a training that goes on from `done` ends with
    the weights of one that was never stopped: to the byte on one CPU thread.

    Args:
        images: the model's members, uint8 [n, C, H, W].
        labels: their classes, int64 [n].
        mean, std: of the data set's pixels in 0..1, float32 [C].
        seed, model: fix the order of samples and every augmentation, epoch by epoch.
        done: the epochs that need no repeating.
        after_epoch: called after each epoch but the last; the tensors it gets are live ones.

    Raises:
        ValueError: fewer members than one batch.
        FloatingPointError: the loss became infinite or NaN; names the model and the epoch.
    """
    steps = len(images) // recipe.batch_size
    if steps == 0:
        raise ValueError(
            f"training.batch_size: {recipe.batch_size} is more than a model's {len(images)} members"
        )
    device = images.device
    network.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    padded = F.pad(images, [recipe.crop_padding] * 4)
    size = (images.shape[2], images.shape[3])
    begin = 0 if done is None else _go_on(network, optimizer, done)
    started = time.monotonic()
    for epoch in range(begin, recipe.epochs):
        torch.manual_seed(_mix(seed, model, 1 + epoch, 1))
        generator = torch.Generator().manual_seed(_mix(seed, model, 1 + epoch))
        order = torch.randperm(len(images), generator=generator).to(device)
        total = torch.zeros((), device=device)
        for step in range(steps):
            chosen = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            batch = crop_and_flip(padded, chosen, size, recipe.flip, generator)
            _set_learning_rate(optimizer, recipe, (epoch * steps + step) / (recipe.epochs * steps))
            with torch.autocast(device.type, torch.bfloat16, enabled=recipe.autocast):
                logits = network(normalise(batch, mean, std))
            loss = F.cross_entropy(logits.float(), labels[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach()
        elapsed = time.monotonic() - started
        left = elapsed / (epoch + 1 - begin) * (recipe.epochs - epoch - 1)
        _report(model, epoch, recipe.epochs, float(total) / steps, left)
        if epoch + 1 < recipe.epochs:
            after_epoch(Progress(epoch + 1, network.state_dict(), _momentum(network, optimizer)))
    return network.eval()


def _momentum(network: nn.Module, optimizer: torch.optim.SGD) -> dict[str, Tensor]:
    buffers = {
        name: optimizer.state[parameter].get("momentum_buffer")
        for name, parameter in network.named_parameters()
        if parameter in optimizer.state
    }
    return {name: buffer for name, buffer in buffers.items() if buffer is not None}


def _go_on(network: nn.Module, optimizer: torch.optim.SGD, done: Progress) -> int:
    """Give network and optimizer the state they had, and return the epoch that comes next."""
    network.load_state_dict(dict(done.network))
    for name, parameter in network.named_parameters():
        if name in done.momentum:
            # Fused SGD walks parameter and buffer side by side, so both need one memory order.
            buffer = torch.empty_like(parameter).copy_(done.momentum[name])
            optimizer.state[parameter]["momentum_buffer"] = buffer
    return done.epochs


def _set_learning_rate(optimizer: torch.optim.SGD, recipe: Recipe, progress: float) -> None:
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
