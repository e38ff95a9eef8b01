"""Stage: one recipe of post-training quantization applied to a shard of trained models."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from ptq_privacy import devices, ptq
from ptq_privacy.data.calibration import calibration_set
from ptq_privacy.data.origin import Origin
from ptq_privacy.experiment import Precision
from ptq_privacy.models import architectures, checkpoints, packing
from ptq_privacy.models.checkpoints import Identity, ModelRecord, StoredModel
from ptq_privacy.models.training import normalise
from ptq_privacy.ptq.settings import AdaRound, Brecq, Obc, Refit, Settings
from ptq_privacy.stages import audit

KINDS: dict[str, type] = {"adaround": AdaRound, "brecq": Brecq, "obc": Obc, "refit": Refit}

log = logging.getLogger(__name__)


def quantize_shard(
    dataset: str | Path,
    membership: str | Path,
    trained: str | Path,
    output: str | Path,
    identity: Identity,
    factory: str,
    calibration_samples: int,
    methods: Mapping[str, Mapping[str, Any]],
    seed: int,
    device: str,
    origin: Origin,
) -> None:
    """Quantize the models of a full-precision shard by the recipe that `identity` names.

    `factory` is what makes the networks, as `architectures.build` takes it; `methods` holds the
    settings of the quantization methods that the recipe uses, by name; `origin` is the record of
    what makes them.
    """
    data = audit.load(dataset, membership, identity.models, devices.choose(device))
    precision = Precision.parse(identity.precision)
    settings = Settings(**{name: KINDS[name](**own) for name, own in methods.items()})
    full = Identity(
        identity.study, identity.dataset, identity.architecture, "full", identity.models
    )

    def quantized() -> Iterator[StoredModel]:
        for model, state in checkpoints.read(trained, full):
            network = architectures.restore(data.network(factory), state)
            chosen = calibration_set(data.members[model], calibration_samples, seed, model)
            images = normalise(
                data.images[torch.from_numpy(chosen).to(data.images.device)], data.mean, data.std
            )
            result, weights = ptq.quantize(network, images, precision, seed, settings)
            bits, zeros = packing.storage(weights)
            record = ModelRecord(
                *data.accuracies(result, model),
                calibration_digest=hashlib.sha256(chosen.astype("<i8").tobytes()).hexdigest()[:16],
                bits_per_weight=bits,
                zero_fraction=zeros,
            )
            log.info("model %d: test accuracy %.4f", model, record.test_accuracy)
            yield StoredModel(model, packing.encode(result.state_dict(), weights), record)

    checkpoints.write(output, identity, quantized(), origin)
