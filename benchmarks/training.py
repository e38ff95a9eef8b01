"""Times this project's training and inference beside the usual loops, and compares their accuracy.

The usual loop is torchvision's: PIL images through RandomCrop, RandomHorizontalFlip and ToTensor, a
DataLoader with 4 workers, float32 in contiguous memory. Both sides take turns in one process on the
same CIFAR-shaped random images, and the fastest turn of each counts. Processor seconds include the
workers'; they compare fairly even on a busy machine, where seconds on the clock may not.

    python benchmarks/training.py --threads 1 2
    python benchmarks/training.py --fashion-mnist data/FashionMNIST     # accuracy too
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import transforms

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from ptq_privacy.answers import inference
from ptq_privacy.data.kinds.images.augment import augmented
from ptq_privacy.data.preparation import prepare
from ptq_privacy.networks import factories
from ptq_privacy.networks.normalised import Normalised
from ptq_privacy.study import fragments
from ptq_privacy.study.seeds import seed_of
from ptq_privacy.training import sgd
from ptq_privacy.training.epochs import Recipe

WORKERS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=4, help="batches a turn")
    parser.add_argument("--turns", type=int, default=3, help="of each side; the fastest counts")
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--fashion-mnist", help="folder of the four files: compare accuracy too")
    parser.add_argument("--seeds", type=int, default=5, help="trainings a side, for accuracy")
    options = parser.parse_args()
    if min(options.batch, options.steps, options.turns, *options.threads) < 1 or options.seeds < 2:
        parser.error("numbers should be positive, and --seeds at least 2")
    print(f"{options.network}, 3 x 32 x 32, batches of {options.batch}; images a second")
    print("threads  what      ours in  usual loop    ours  ratio   processor s/1000 images  ratio")
    for threads in options.threads:
        torch.set_num_threads(threads)
        print(f"{threads:7}  {product_rates()}", flush=True)
        compare_rates(options, threads)
    if options.fashion_mnist:
        torch.set_num_threads(1)
        compare_accuracy(options.fashion_mnist, options.seeds)


@dataclass(frozen=True)
class Images:
    """Images uint8 [N, C, H, W], labels int64 [N], and the pixels' mean and deviation."""

    images: Tensor
    labels: Tensor
    statistics: Mapping[str, tuple[float, ...]]

    def normalised(self, network: nn.Module) -> Normalised:
        return Normalised(network, "images", self.statistics)


class PilImages(TorchDataset):
    """The same images one by one as PIL has them, transformed each by itself."""

    def __init__(self, data: Images, transform: Callable[[Image.Image], Tensor]) -> None:
        self.pixels = data.images.permute(0, 2, 3, 1).squeeze(3).numpy()
        self.labels = data.labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[place])), self.labels[place]


def build(name: str, data: Images) -> nn.Module:
    """A built-in network for ten classes of such images."""
    fragment = fragments.get("networks", name)
    return factories.build(
        fragment.function, 10, {"channels": data.images.shape[1]}, fragment.defaults
    )


def usual_training(network: nn.Module, data: Images, recipe: Recipe, seed: int) -> nn.Module:
    steps = [transforms.ToTensor(), transforms.Normalize(**data.statistics)]
    if recipe.augmentation["flip"]:
        steps.insert(0, transforms.RandomHorizontalFlip())
    if recipe.augmentation["crop_padding"]:
        steps.insert(
            0, transforms.RandomCrop(data.images.shape[2:], recipe.augmentation["crop_padding"])
        )
    torch.manual_seed(seed)
    loader = DataLoader(
        PilImages(data, transforms.Compose(steps)),
        recipe.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=WORKERS,
        persistent_workers=True,
    )
    optimizer = torch.optim.SGD(
        network.parameters(), recipe.learning_rate, recipe.momentum, 0, recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs * len(loader))
    network.train()
    for _ in range(recipe.epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(network(images), labels).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def our_training(network: nn.Module, data: Images, recipe: Recipe, seed: int) -> nn.Module:
    draw = augmented(data.images, **recipe.augmentation)
    normalise = data.normalised(network).normalise
    return sgd.train(network, draw, data.labels, recipe, normalise, seed, model=0)


def usual_logits(network: nn.Module, data: Images) -> Tensor:
    steps = [transforms.ToTensor(), transforms.Normalize(**data.statistics)]
    loader = DataLoader(
        PilImages(data, transforms.Compose(steps)), inference.BATCH["cpu"], num_workers=WORKERS
    )
    network.eval()
    with torch.no_grad():
        return torch.cat([network(images) for images, _ in loader])


def our_logits(network: nn.Module, data: Images) -> Tensor:
    return inference.logits(data.normalised(network), data.images)


def product_rates(size: int = 1024) -> str:
    """How fast this processor multiplies matrices, by processor seconds."""
    rates = []
    for kind in (torch.float32, torch.bfloat16):
        matrix = torch.randn(size, size).to(kind)
        seconds = []
        for _ in range(4):
            before = time.process_time()
            matrix @ matrix
            seconds.append(time.process_time() - before)
        rates.append(2 * size**3 / min(seconds) / 1e9)
    return f"products: float32 {rates[0]:.0f}, bfloat16 {rates[1]:.0f} GFLOP a processor second"


def compare_rates(options: argparse.Namespace, threads: int) -> None:
    count = options.batch * options.steps
    generator = torch.Generator().manual_seed(0)
    data = Images(
        torch.randint(256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8),
        torch.randint(10, (count,), generator=generator),
        {"mean": (0.5,) * 3, "std": (0.25,) * 3},
    )
    recipe = Recipe(
        optimizer="sgd",
        epochs=1,
        batch_size=options.batch,
        learning_rate=0.01,
        momentum=0.9,
        weight_decay=5e-4,
        augmentation={"flip": True, "crop_padding": 4},
        autocast=True,
    )
    usual, ours = (build(options.network, data) for _ in range(2))
    plain = replace(recipe, autocast=False)
    pairs: dict[str, dict[str, Callable[[], object]]] = {
        "training": {
            "usual": lambda: usual_training(usual, data, recipe, 0),
            "bfloat16": lambda: our_training(ours, data, recipe, 0),
            "float32": lambda: our_training(ours, data, plain, 0),
        },
        "inference": {
            "usual": lambda: usual_logits(usual, data),
            "float32": lambda: our_logits(ours, data),
        },
    }
    for what, sides in pairs.items():
        best = dict(zip(sides, fastest(tuple(sides.values()), options.turns), strict=True))
        clock, processor = best.pop("usual")
        for kind, (our_clock, our_processor) in best.items():
            print(
                f"{threads:7}  {what:9} {kind:8} {count / clock:10.1f} {count / our_clock:7.1f} "
                f"{clock / our_clock:6.2f}   {1000 * processor / count:11.2f} "
                f"{1000 * our_processor / count:11.2f} {processor / our_processor:6.2f}",
                flush=True,
            )


def fastest(sides: tuple[Callable[[], object], ...], turns: int) -> list[tuple[float, float]]:
    """Least clock seconds and least processor seconds of each side, after a turn to warm up."""
    spent: list[list[tuple[float, float]]] = [[] for _ in sides]
    for _ in range(turns + 1):
        for side, work in enumerate(sides):
            clock, processor = time.perf_counter(), sum(os.times()[:4])
            work()
            spent[side].append((time.perf_counter() - clock, sum(os.times()[:4]) - processor))
    return [
        (min(clock for clock, _ in times[1:]), min(used for _, used in times[1:]))
        for times in spent
    ]


def compare_accuracy(path: str, seeds: int) -> None:
    """Test accuracy of the same short recipe by both loops, each with its standard error."""
    settings = {"name": "fashion-mnist", "source": "fashion-mnist", "audit_samples": 6000}
    read = prepare({**settings, "path": path})
    data, test = (
        Images(torch.tensor(images), torch.tensor(labels), read.statistics)
        for images, labels in (
            (read.train_inputs, read.train_labels),
            (read.test_inputs, read.test_labels),
        )
    )
    recipe = Recipe(
        optimizer="sgd",
        epochs=6,
        batch_size=64,
        learning_rate=0.1,
        momentum=0.9,
        weight_decay=5e-4,
        augmentation={"flip": True, "crop_padding": 2},
        autocast=True,
    )
    print(f"Fashion-MNIST, resnet8-thin, 6,000 images, {recipe.epochs} epochs, {seeds} seeds")
    reached = []
    for name, train in (("usual loop", usual_training), ("ours", our_training)):
        accuracies = []
        for seed in range(seeds):
            torch.manual_seed(seed_of("initial weights", seed, 0))
            network = test.normalised(train(build("resnet8-thin", data), data, recipe, seed))
            accuracies.append(100 * inference.accuracy(network, test.images, test.labels))
        reached.append((np.mean(accuracies), np.std(accuracies, ddof=1) / math.sqrt(seeds)))
        print(f"{name:10} test accuracy {reached[-1][0]:.2f} ± {reached[-1][1]:.2f} %", flush=True)
    difference = reached[1][0] - reached[0][0]
    error = math.hypot(reached[0][1], reached[1][1])
    print(f"difference {difference:+.2f} ± {error:.2f} points (standard errors over seeds)")


if __name__ == "__main__":
    main()
