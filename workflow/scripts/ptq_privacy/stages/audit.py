"""What a stage that runs networks needs of the data: pixels, labels and members, on its device."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ptq_privacy.data import dataset, membership
from ptq_privacy.models import architectures, inference


@dataclass(frozen=True)
class Audit:
    """A prepared data set as tensors on one device, and which model was trained on what.

    `images` uint8 [M, C, H, W] and `labels` int64 [M] are the audit pool; `mean` and `std` are of
    its pixels, float32 [C]; `members` is bool [M] by model number, on the CPU; `sha256` is of all
    images, labels and class names.
    """

    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    mean: Tensor
    std: Tensor
    members: Mapping[int, np.ndarray]
    classes: int
    sha256: str

    def members_of(self, model: int) -> Tensor:
        """Sample numbers that a model was trained on, ascending, int64."""
        return torch.from_numpy(np.flatnonzero(self.members[model])).to(self.images.device)

    def digest(self, model: int) -> str:
        """SHA-256 of the data and of the model's members: another one means another training."""
        return hashlib.sha256(self.sha256.encode() + self.members[model].tobytes()).hexdigest()

    def network(self, factory: str) -> nn.Module:
        """A fresh network of the right shape, on the device."""
        network = architectures.build(factory, self.classes, self.images.shape[1])
        return network.to(self.images.device)

    def accuracies(self, network: nn.Module, model: int) -> tuple[float, float]:
        """Share of right answers on a model's members and on the test set."""
        own = self.members_of(model)
        return (
            inference.accuracy(network, self.images, self.labels, self.mean, self.std, own),
            inference.accuracy(network, self.test_images, self.test_labels, self.mean, self.std),
        )


def load(
    dataset_path: str | Path,
    membership_path: str | Path,
    models: Sequence[int],
    device: torch.device,
) -> Audit:
    """Read both files.

    Raises:
        ValueError: they do not belong together, or lack one of the models.
    """
    data = dataset.read(dataset_path)
    members = membership.read(membership_path)
    for model in models:
        if model not in members or len(members[model]) != len(data.train_labels):
            raise ValueError(
                f"{membership_path}: does not say which of the {len(data.train_labels)} samples of "
                f"{dataset_path} model {model} was trained on; remove it"
            )
    return Audit(
        images=torch.from_numpy(data.train_images).to(device),
        labels=torch.from_numpy(data.train_labels).to(device),
        test_images=torch.from_numpy(data.test_images).to(device),
        test_labels=torch.from_numpy(data.test_labels).to(device),
        mean=torch.tensor(data.mean, dtype=torch.float32, device=device),
        std=torch.tensor(data.std, dtype=torch.float32, device=device),
        members=members,
        classes=len(data.classes),
        sha256=data.sha256,
    )
