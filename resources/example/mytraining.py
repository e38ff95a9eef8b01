"""A training of your own: any function from a fresh network to the same one trained."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def train(
    network: nn.Module, inputs: Tensor, labels: Tensor, seed: int, epochs: int = 6
) -> nn.Module:
    """Adam on random batches with smoothed labels, at a rate that falls from epoch to epoch.

    It is called with a fresh network, a model's members as the network takes them, float32
    [n, channels, H, W], their classes int64 [n], and a seed; `epochs` comes from `settings`.
    """
    order = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.8)
    network.train()
    for _ in range(epochs):
        for chosen in torch.randperm(len(labels), generator=order).split(20):
            loss = F.cross_entropy(network(inputs[chosen]), labels[chosen], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return network
