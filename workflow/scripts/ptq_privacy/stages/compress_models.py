"""Stage: one compression's recipe applied to a shard of trained models."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from ptq_privacy.answers import inference
from ptq_privacy.compression import compress_all, own, packing
from ptq_privacy.data import audit
from ptq_privacy.data.calibration_set import calibration_set
from ptq_privacy.exchange.live import blueprint_of, live
from ptq_privacy.files import checkpoints
from ptq_privacy.files.checkpoints import Identity, ModelRecord, StoredModel
from ptq_privacy.files.origin import Origin
from ptq_privacy.graph.attention import put_back
from ptq_privacy.networks import structure
from ptq_privacy.networks.normalised import Normalised
from ptq_privacy.planning.method_cost import models_at_once
from ptq_privacy.runtime import devices
from ptq_privacy.study import fragments
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

    Each model is calibrated on members of its own, and has a seed of its own. As many go together
    as memory allows; what becomes of each does not depend on the others.

    Args:
        factory: your own method, `module:function`; None: the variant's has a fragment.
        settings: of the method, all of them.
        origin: the record of what makes the variants.
    """
    chosen = devices.choose(device)
    data = audit.load(dataset, membership, identity.models, chosen)
    variant = Variant.recorded(identity.variant)
    checkpoints.identify(trained, replace(identity, variant="full", draw=0))
    trained_records = checkpoints.records(trained)
    # What looks at members once more is not what was promised of the training.
    data_free = factory is None and fragments.get("compressions", str(variant.method)).more.get(
        "data_free", False
    )
    blueprint = blueprint_of(trained)

    def compressed(models: Sequence[int]) -> Iterator[StoredModel]:
        full = [live(trained, model).to(chosen) for model in models]
        drawn = [
            calibration_set(data.members[model], calibration_samples, seed, model, identity.draw)
            for model in models
        ]
        inputs = [
            network.normalise(data.inputs[torch.from_numpy(samples).to(chosen)])
            for network, samples in zip(full, drawn, strict=True)
        ]
        seeds = [seed_of("compression", seed, model, identity.draw) for model in models]
        networks = [made.network for made in full]
        if factory is None:
            found = compress_all(networks, inputs, variant, seeds, settings)
        else:
            known = zip(networks, inputs, seeds, strict=True)
            found = [own.compress(factory, n, x, variant, s, settings) for n, x, s in known]
        for model, before, samples, (network, stored) in zip(
            models, networks, drawn, found, strict=True
        ):
            result = Normalised(network, data.kind, data.statistics).to(chosen)
            members = data.members_of(model)
            record = ModelRecord(
                train_accuracy=inference.accuracy(result, data.inputs, data.labels, members),
                test_accuracy=inference.accuracy(result, data.test_inputs, data.test_labels),
                calibration_digest=hashlib.sha256(samples.astype("<i8").tobytes()).hexdigest()[:16],
                bits_per_weight=stored.bits_per_weight,
                zero_fraction=stored.zero_fraction,
                promise=trained_records[model].promise if data_free else None,
            )
            log.info("model %d: test accuracy %.4f", model, record.test_accuracy)
            plain, _ = put_back(network)
            tensors = packing.encode(plain.state_dict(), stored.weights, stored.inputs)
            made = replace(blueprint, structure=structure.difference(before, plain))
            yield StoredModel(model, tensors, record, made.data)

    at_once = 1
    if factory is None:
        assert variant.method is not None
        known = blueprint.factory, calibration_samples, chosen.type, settings
        at_once = models_at_once(variant.method, *known, len(identity.models))
    log.info("%d models, %d at a time", len(identity.models), at_once)
    batches = [
        identity.models[start : start + at_once]
        for start in range(0, len(identity.models), at_once)
    ]
    results = chain.from_iterable(map(compressed, batches))
    checkpoints.write(output, identity, results, origin)
