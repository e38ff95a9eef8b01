"""Stage: what a shard's models answer about every sample of the audit pool, view by view."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from ptq_privacy.answers import inference, logits
from ptq_privacy.answers.answer_blocks import LogitBlock
from ptq_privacy.answers.phi import compacted
from ptq_privacy.data import audit, kinds
from ptq_privacy.exchange.live import live
from ptq_privacy.files import checkpoints
from ptq_privacy.files.checkpoints import Identity
from ptq_privacy.files.origin import Origin
from ptq_privacy.runtime import devices

SAMPLES_AT_ONCE = 8192  # whose view is in memory: whole batches of inference, far from all

log = logging.getLogger(__name__)


def query_logits(
    dataset: str | Path,
    membership: str | Path,
    stored: str | Path,
    output: str | Path,
    identity: Identity,
    queries: Sequence[str],
    compact: bool,
    device: str,
    origin: Origin,
) -> None:
    """Write the logits of every model of a shard for every view of every sample.

    Every model sees the same views. With `compact` only phi and correctness are kept of each
    answer.
    """
    chosen = devices.choose(device)
    data = audit.load(dataset, membership, identity.models, chosen)
    labels = data.labels.cpu().numpy()
    views = kinds.part(data.kind, "views")
    asked = views.parse_all(queries)
    checkpoints.identify(stored, identity)

    def answers() -> Iterator[LogitBlock]:
        for model in identity.models:
            network = live(stored, model).to(chosen)
            for query, view in enumerate(asked):
                parts = (
                    views.apply(part, view, data.statistics)
                    for part in data.inputs.split(SAMPLES_AT_ONCE)
                )
                answer = torch.cat([inference.logits(network, part) for part in parts])
                yield LogitBlock(model, query, labels, data.members[model], answer.cpu().numpy())
            log.info("model %d asked", model)

    if compact:
        logits.write(output, map(compacted, answers()), None, origin)
    else:
        logits.write(output, answers(), data.classes, origin)
