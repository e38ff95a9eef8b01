"""Stage: a shard of the pool's models, trained each on its own half of the audit pool."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ptq_privacy.answers import inference
from ptq_privacy.data import audit, kinds
from ptq_privacy.data.audit import Audit
from ptq_privacy.files import checkpoints
from ptq_privacy.files.checkpoints import Identity, ModelRecord, StoredModel
from ptq_privacy.files.origin import Origin
from ptq_privacy.networks import structure
from ptq_privacy.networks.blueprint import Blueprint
from ptq_privacy.networks.factories import Factory
from ptq_privacy.networks.normalised import Normalised
from ptq_privacy.runtime import devices
from ptq_privacy.study import fit, references
from ptq_privacy.study.seeds import seed_of
from ptq_privacy.training import procedure, snapshots
from ptq_privacy.training.epochs import Progress, Recipe
from ptq_privacy.training.snapshots import Snapshot

log = logging.getLogger(__name__)


def train_models(
    dataset: str | Path,
    membership: str | Path,
    output: str | Path,
    identity: Identity,
    function: str,
    settings: Mapping[str, Any],
    training: str,
    recipe: Mapping[str, Any],
    seed: int,
    device: str,
    config: Mapping[str, Any],
    origin: Origin,
    snapshot_seconds: float = snapshots.SECONDS,
) -> None:
    """Train the models of `identity` and write their checkpoints to `output`.

    A job that was killed goes on from its snapshots. `function` and `settings` make the networks,
    as `factories.build` takes them, `training` and `recipe` train them, as
    `experiment.training_of` has them; `origin` is the record of what makes them, kept in the file.
    `config` is the whole study's: what comes after the training is not to fail then.

    Raises:
        ValueError: the config asks for more than these data have; names the key.
    """
    data = audit.load(dataset, membership, identity.models, devices.choose(device))
    fit.check(config, identity.dataset, len(data.labels), tuple(data.inputs.shape[1:]))
    factory = Factory(function, settings, data.classes, tuple(data.inputs.shape[1:]), data.sizes)
    made = {
        "identity": asdict(identity),
        "factory": asdict(factory),
        "training": training,
        "recipe": recipe,
        "seed": seed,
        **origin,
    }
    kept = snapshots.folder(output)
    fresh = factory.build()
    own = structure.difference(fresh, fresh)
    live = Blueprint(factory, own, data.kind, data.statistics).data

    def trained() -> Iterator[StoredModel]:
        for model in identity.models:
            about = {**made, "model": model, "data": data.digest(model)}
            snapshot = _finished(
                data, factory, training, recipe, seed, model, kept / f"{model:04d}", about,
                snapshot_seconds,
            )  # fmt: skip
            assert snapshot.record is not None
            yield StoredModel(model, snapshot.progress.network, snapshot.record, live)

    checkpoints.write(output, identity, trained(), origin)
    shutil.rmtree(kept)


def _finished(
    data: Audit,
    factory: Factory,
    training: str,
    recipe: Mapping[str, Any],
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

    network, epochs, promise = _trained(
        data, factory, training, recipe, seed, model, before.progress if before else None, keep
    )
    normalised = Normalised(network, data.kind, data.statistics).to(data.inputs.device)
    record = ModelRecord(
        inference.accuracy(normalised, data.inputs, data.labels, data.members_of(model)),
        inference.accuracy(normalised, data.test_inputs, data.test_labels),
        promise=promise,
    )
    log.info("model %d: test accuracy %.4f", model, record.test_accuracy)
    finished = Snapshot(Progress(epochs, network.state_dict(), {}), record)
    snapshots.write(path, finished, about)
    return finished


def _trained(
    data: Audit,
    factory: Factory,
    training: str,
    recipe: Mapping[str, Any],
    seed: int,
    model: int,
    done: Progress | None,
    keep: Callable[[Progress], None],
) -> tuple[nn.Module, int, dict[str, float] | None]:
    """A model's network, after how many epochs, and what was promised of it, if anything."""
    torch.manual_seed(seed_of("initial weights", seed, model))
    network = factory.build().to(data.inputs.device)
    normalise = Normalised(network, data.kind, data.statistics).to(data.inputs.device).normalise
    members = data.members_of(model)
    inputs, labels = data.inputs[members], data.labels[members]
    if references.is_own(training):
        own_seed = seed_of("own training", seed, model)
        procedure.train(training, network, normalise(inputs), labels, own_seed, recipe)
        return network, 1, None
    built_in = Recipe(**recipe)
    augmented = kinds.part(data.kind, "augment").augmented(inputs, **built_in.augmentation)
    train = references.find(training, "training")
    train(network, augmented, labels, built_in, normalise, seed, model, done, keep)
    if built_in.dp is None:
        return network, built_in.epochs, None
    promise = references.find(f"{training.partition(':')[0]}:promise", "training")
    return network, built_in.epochs, asdict(promise(built_in, len(labels)))
