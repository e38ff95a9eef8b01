"""Stage: a shard of the pool's models, trained each on its own half of the audit pool."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ptq_privacy import devices
from ptq_privacy.data.origin import Origin
from ptq_privacy.models import checkpoints, snapshots, training
from ptq_privacy.models.checkpoints import Identity, ModelRecord, StoredModel
from ptq_privacy.models.snapshots import Snapshot
from ptq_privacy.models.training import Progress, Recipe
from ptq_privacy.stages import audit
from ptq_privacy.stages.audit import Audit

log = logging.getLogger(__name__)


def train_shard(
    dataset: str | Path,
    membership: str | Path,
    output: str | Path,
    identity: Identity,
    factory: str,
    recipe: Recipe,
    seed: int,
    device: str,
    origin: Origin,
    snapshot_seconds: float = snapshots.SECONDS,
) -> None:
    """Train the models of `identity` and write their checkpoints to `output`.

    A job that was killed goes on from its snapshots. `factory` is what makes the networks, as
    `architectures.build` takes it; `origin` is the record of what makes them, kept in the file.
    """
    data = audit.load(dataset, membership, identity.models, devices.choose(device))
    made = {
        "identity": asdict(identity),
        "factory": factory,
        "recipe": asdict(recipe),
        "seed": seed,
        **origin,
    }
    kept = snapshots.folder(output)

    def trained() -> Iterator[StoredModel]:
        for model in identity.models:
            about = {**made, "model": model, "data": data.digest(model)}
            snapshot = _finished(
                data, factory, recipe, seed, model, kept / f"{model:04d}", about, snapshot_seconds
            )
            assert snapshot.record is not None
            yield StoredModel(model, snapshot.progress.network, snapshot.record)

    checkpoints.write(output, identity, trained(), origin)
    shutil.rmtree(kept)


def _finished(
    data: Audit,
    factory: str,
    recipe: Recipe,
    seed: int,
    model: int,
    path: Path,
    about: Mapping[str, Any],
    seconds: float,
) -> Snapshot:
    """One model trained, from its snapshot at `path` if there is one, and kept there."""
    before = snapshots.read(path, about)
    if before is not None and before.record is not None:
        log.info("model %d: finished by a job before this one", model)
        return before
    if before is not None:
        log.info("model %d: going on after epoch %d", model, before.progress.epochs)
    last = time.monotonic()

    def keep(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            snapshots.write(path, Snapshot(progress), about)
            last = time.monotonic()

    training.seed_everything(seed, model)
    network = data.network(factory)
    own_samples = data.members_of(model)
    training.train(
        network,
        data.images[own_samples],
        data.labels[own_samples],
        recipe,
        data.mean,
        data.std,
        seed,
        model,
        before.progress if before else None,
        keep,
    )
    record = ModelRecord(*data.accuracies(network, model))
    log.info("model %d: test accuracy %.4f", model, record.test_accuracy)
    finished = Snapshot(Progress(recipe.epochs, network.state_dict(), {}), record)
    snapshots.write(path, finished, about)
    return finished
