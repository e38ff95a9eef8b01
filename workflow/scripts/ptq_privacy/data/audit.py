"""What a stage that runs networks needs of the data: inputs, labels and members, on its device."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ptq_privacy.data import dataset, kinds, membership


@dataclass(frozen=True)
class Audit:
    """A prepared data set as tensors on one device, and which model was trained on what.

    `inputs` [M, ...] and `labels` int64 [M] are the audit pool; `kind` and `statistics` say what
    they are and what normalises them; `members` is bool [M] by model number, on the CPU; `sha256`
    is of all inputs, labels and class names.
    """

    kind: str
    inputs: Tensor
    labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor
    statistics: Mapping[str, tuple[float, ...]]
    members: Mapping[int, np.ndarray]
    classes: int
    sha256: str

    @property
    def sizes(self) -> dict[str, int]:
        """What a network's factory is told of the samples."""
        shape = tuple(self.inputs.shape[1:])
        return kinds.part(self.kind, "sizes").sizes(shape, self.statistics)

    def members_of(self, model: int) -> Tensor:
        """Sample numbers that a model was trained on, ascending, int64."""
        return torch.from_numpy(np.flatnonzero(self.members[model])).to(self.inputs.device)

    def digest(self, model: int) -> str:
        """SHA-256 of the data and of the model's members: another one means another training."""
        return hashlib.sha256(self.sha256.encode() + self.members[model].tobytes()).hexdigest()


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
        kind=data.kind,
        inputs=torch.from_numpy(data.train_inputs).to(device),
        labels=torch.from_numpy(data.train_labels).to(device),
        test_inputs=torch.from_numpy(data.test_inputs).to(device),
        test_labels=torch.from_numpy(data.test_labels).to(device),
        statistics=data.statistics,
        members=members,
        classes=len(data.classes),
        sha256=data.sha256,
    )
