"""Stage: a shard of the pool's models, trained each on its own half of the audit pool."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from ptq_privacy import devices
from ptq_privacy.data.origin import Origin
from ptq_privacy.models import checkpoints, training
from ptq_privacy.models.checkpoints import Identity, ModelRecord, StoredModel
from ptq_privacy.models.training import Recipe
from ptq_privacy.stages import audit

log = logging.getLogger(__name__)


def train_shard(
    dataset: str | Path,
    membership: str | Path,
    output: str | Path,
    identity: Identity,
    recipe: Recipe,
    seed: int,
    device: str,
    origin: Origin,
) -> None:
    """Train the models of `identity` and write their checkpoints to `output`.

    `origin` is the record of what makes them; it is kept in the file.
    """
    data = audit.load(dataset, membership, identity.models, devices.choose(device))

    def trained() -> Iterator[StoredModel]:
        for model in identity.models:
            training.seed_everything(seed, model)
            network = data.network(identity.architecture)
            own = data.members_of(model)
            training.train(
                network,
                data.images[own],
                data.labels[own],
                recipe,
                data.mean,
                data.std,
                seed,
                model,
            )
            record = ModelRecord(*data.accuracies(network, model))
            log.info("model %d: test accuracy %.4f", model, record.test_accuracy)
            yield StoredModel(model, network.state_dict(), record)

    checkpoints.write(output, identity, trained(), origin)
