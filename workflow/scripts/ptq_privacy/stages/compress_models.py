"""Stage: one compression's recipe applied to a shard of trained models."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ptq_privacy.answers import inference
from ptq_privacy.compression import compress, own, packing
from ptq_privacy.data import audit
from ptq_privacy.data.calibration_set import calibration_set
from ptq_privacy.exchange.live import blueprint_of, live
from ptq_privacy.files import checkpoints
from ptq_privacy.files.checkpoints import Identity, ModelRecord, StoredModel
from ptq_privacy.files.origin import Origin
from ptq_privacy.networks import structure
from ptq_privacy.networks.normalised import Normalised
from ptq_privacy.runtime import devices
from ptq_privacy.study.seeds import seed_of
from ptq_privacy.study.variants import Variant

log = logging.getLogger(__name__)


def compress_models(
    dataset: str | Path,
    membership: str | Path,
    trained: str | Path,
    output: str | Path,
    identity: Identity,
    factory: str | None,
    settings: Mapping[str, Any],
    calibration_samples: int,
    seed: int,
    device: str,
    origin: Origin,
) -> None:
    """Compress the models of a full-precision shard by the recipe that `identity` names.

    Each model is calibrated on members of its own, and has a seed of its own.

    Args:
        factory: your own method, `module:function`; None: the variant's has a fragment.
        settings: of the method, all of them.
        origin: the record of what makes the variants.
    """
    chosen = devices.choose(device)
    data = audit.load(dataset, membership, identity.models, chosen)
    variant = Variant.recorded(identity.variant)
    checkpoints.identify(trained, replace(identity, variant="full", draw=0))
    blueprint = blueprint_of(trained)

    def compressed() -> Iterator[StoredModel]:
        for model in identity.models:
            full = live(trained, model).to(chosen)
            numbers = (seed, model, identity.draw)
            samples = calibration_set(data.members[model], calibration_samples, *numbers)
            inputs = full.normalise(data.inputs[torch.from_numpy(samples).to(chosen)])
            known = (full.network, inputs, variant, seed_of("compression", *numbers), settings)
            network, stored = compress(*known) if factory is None else own.compress(factory, *known)
            changes = structure.difference(full.network, network)
            result = Normalised(network, data.kind, data.statistics).to(chosen)
            members = data.members_of(model)
            record = ModelRecord(
                train_accuracy=inference.accuracy(result, data.inputs, data.labels, members),
                test_accuracy=inference.accuracy(result, data.test_inputs, data.test_labels),
                calibration_digest=hashlib.sha256(samples.astype("<i8").tobytes()).hexdigest()[:16],
                bits_per_weight=stored.bits_per_weight,
                zero_fraction=stored.zero_fraction,
            )
            log.info("model %d: test accuracy %.4f", model, record.test_accuracy)
            tensors = packing.encode(network.state_dict(), stored.weights)
            made = replace(blueprint, structure=changes)
            yield StoredModel(model, tensors, record, made.data)

    checkpoints.write(output, identity, compressed(), origin)
