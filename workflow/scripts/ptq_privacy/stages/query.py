"""Stage: what a shard's models answer about every sample of the audit pool, view by view."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from ptq_privacy import devices
from ptq_privacy.attacks import phi
from ptq_privacy.data import logits, views
from ptq_privacy.data.logits import LogitBlock
from ptq_privacy.data.origin import Origin
from ptq_privacy.models import architectures, checkpoints, inference, packing
from ptq_privacy.models.checkpoints import Identity
from ptq_privacy.stages import audit

IMAGES_AT_ONCE = 8192  # whose view is in memory: whole batches of inference, far from all images

log = logging.getLogger(__name__)


def query_shard(
    dataset: str | Path,
    membership: str | Path,
    checkpoints_path: str | Path,
    output: str | Path,
    identity: Identity,
    factory: str,
    queries: Sequence[str],
    compact: bool,
    device: str,
    origin: Origin,
) -> None:
    """Write the logits of every model of a shard for every view of every sample.

    The networks are made by `factory`, as `architectures.build` takes it, and given the weights as
    stored. Every model sees the same images. With `compact` only phi and correctness are kept of
    each answer.
    """
    data = audit.load(dataset, membership, identity.models, devices.choose(device))
    labels = data.labels.cpu().numpy()
    asked = views.parse_all(queries)

    def answers() -> Iterator[LogitBlock]:
        for model, tensors in checkpoints.read(checkpoints_path, identity):
            state = packing.decode(tensors)
            network = architectures.restore(data.network(factory), state)
            for query, view in enumerate(asked):
                parts = (views.apply(part, view) for part in data.images.split(IMAGES_AT_ONCE))
                answer = torch.cat(
                    [inference.logits(network, part, data.mean, data.std) for part in parts]
                )
                yield LogitBlock(model, query, labels, data.members[model], answer.cpu().numpy())
            log.info("model %d asked", model)

    if compact:
        logits.write(output, map(phi.compacted, answers()), None, origin)
    else:
        logits.write(output, answers(), data.classes, origin)
