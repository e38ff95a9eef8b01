"""Quantizes one network by every method: test accuracy and processor seconds, side by side.

A small residual network is trained on Fashion-MNIST (or read from a file) and quantized by each
method at each width, in one process on one thread. AdaRound and BRECQ then run as published
(`solver: reference`: minibatches of images, from the weights' own fractions) beside the study's
solvers, with the hard error of what each of them reconstructs and the time as a ratio. Where
AIMET is installed, its AdaRound can stand beside ours too (`aimet_adaround.py` says how).

    python benchmarks/ptq_models.py --data /usr/share/datasets/fashion-mnist
    python benchmarks/ptq_models.py --bits 4 2 --activation-bits 8 4 --head-bits 8
    python benchmarks/ptq_models.py --published-iterations 20000       # as long as the papers
    python benchmarks/ptq_models.py --bits --published-bits --aimet-iterations 10000 --pool 2
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from ptq_privacy.answers import inference
from ptq_privacy.compression import compress
from ptq_privacy.data.kinds.images.augment import augmented
from ptq_privacy.data.kinds.images.normalise import statistics
from ptq_privacy.data.preparation import prepare
from ptq_privacy.graph.blocks import find_blocks
from ptq_privacy.graph.folding import fold
from ptq_privacy.graph.walk import Walk
from ptq_privacy.networks import factories, structure
from ptq_privacy.networks.normalised import Normalised
from ptq_privacy.study import fragments
from ptq_privacy.study.seeds import seed_of
from ptq_privacy.study.variants import Variant
from ptq_privacy.training import sgd
from ptq_privacy.training.epochs import Recipe

PUBLISHED_RATE = 1e-3  # both papers' learning rate

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Data:
    """Fashion-MNIST: uint8 images [n, 1, 28, 28], labels [n], pixel mean and deviation [1]."""

    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    statistics: Mapping[str, tuple[float, ...]]

    def normalised(self, network: nn.Module) -> Normalised:
        return Normalised(network, "images", self.statistics)

    def right(self, network: nn.Module) -> Tensor:
        """Which test images a network classifies as labelled: float64 [n]."""
        images, labels = self.test
        answers = inference.logits(self.normalised(network), images).argmax(1)
        return (answers == labels).double()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of Fashion-MNIST's four files; else downloaded")
    parser.add_argument(
        "--architecture", default="resnet8-thin", choices=["resnet8-thin", "resnet8"]
    )
    parser.add_argument("--network", type=Path, help="its weights; trained and written if missing")
    parser.add_argument("--train", type=int, default=20000, help="training images")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--calibration", type=int, default=1024, help="calibration images")
    parser.add_argument("--bits", type=float, nargs="*", default=[4, 2, 1.58])
    parser.add_argument("--activation-bits", type=float, nargs="*", default=[], help="beside none")
    parser.add_argument("--head-bits", type=float, help="of the classifier's weights")
    parser.add_argument("--published-bits", type=float, nargs="*", default=[1.58])
    parser.add_argument("--published-iterations", type=int, default=200)
    parser.add_argument(
        "--aimet-iterations", type=int, help="a layer; its own default is 15000 below 8 bits"
    )
    parser.add_argument("--aimet-bits", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of weights and training")
    parser.add_argument("--pool", type=int, default=1, help="average squares of so many pixels")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load(options)
    network = trained(data, options)
    images = data.normalised(network).normalise(data.train[0][: options.calibration])
    full = data.right(network)
    print(f"{options.architecture}: {in_percent(full)} % of {len(full)} test images")
    print("variant                   accuracy     less than full  seconds")
    for bits, activation_bits in product(options.bits, (None, *options.activation_bits)):
        for method in fragments.names("compressions"):
            variant = Variant(method, bits, options.head_bits, activation_bits)
            right, seconds, _ = run(network, images, variant, {}, data)
            print(f"{variant!s:21} {in_percent(right)}  {in_percent(full - right)}", end="")
            print(f"  {seconds:9.2f}", flush=True)
    for bits in options.published_bits:
        compare(network, images, bits, options.published_iterations, data)
    if options.aimet_iterations:
        beside_aimet(network, images, options.aimet_bits, options.aimet_iterations, data)


def load(options: argparse.Namespace) -> Data:
    settings = {"name": "fashion-mnist", "source": "fashion-mnist"}
    found = prepare(settings | ({"path": options.data} if options.data else {}))
    images, labels = _pooled(found.train_inputs, options.pool), torch.tensor(found.train_labels)
    train = images[: options.train], labels[: options.train]
    test = _pooled(found.test_inputs, options.pool), torch.tensor(found.test_labels)
    return Data(train, test, statistics(images.numpy(), {}))


def _pooled(images: np.ndarray, side: int) -> Tensor:
    return functional.avg_pool2d(torch.tensor(images).float(), side).round().to(torch.uint8)


def trained(data: Data, options: argparse.Namespace) -> nn.Module:
    torch.manual_seed(seed_of("initial weights", options.seed, 0))
    fragment = fragments.get("networks", options.architecture)
    images, labels = data.train
    network = factories.build(
        fragment.function, 10, {"channels": images.shape[1]}, fragment.defaults
    )
    if options.network and options.network.exists():
        structure.load(network, load_file(options.network))
        return network.eval()
    recipe = Recipe(
        "sgd", options.epochs, 64, 0.1, 0.9, 5e-4, {"flip": True, "crop_padding": 0}, False
    )
    draw = augmented(images, **recipe.augmentation)
    sgd.train(network, draw, labels, recipe, data.normalised(network).normalise, options.seed, 0)
    network.to(memory_format=torch.contiguous_format)
    if options.network:
        save_file(network.state_dict(), options.network)
    return network


def run(
    network: nn.Module, images: Tensor, variant: Variant, settings: Settings, data: Data
) -> tuple[Tensor, float, nn.Module]:
    """Which test images the quantized network gets right, processor seconds, and the network."""
    start = time.process_time()
    quantized, _ = compress(network, images, variant, 0, settings)
    seconds = time.process_time() - start
    return data.right(quantized), seconds, quantized


def compare(network: nn.Module, images: Tensor, bits: float, iterations: int, data: Data) -> None:
    """AdaRound and BRECQ beside themselves as published."""
    published = {
        "solver": "reference",
        "iterations": iterations,
        "learning_rate": PUBLISHED_RATE,
        "batch": 32,
    }
    print(f"\n{bits} bits beside the published procedure, {iterations} iterations a block:")
    print("          published: accuracy  error %    seconds | ours: accuracy  error %  seconds")
    print("                                          | time %    error ratio")
    for method in ("adaround", "brecq"):
        single = method == "adaround"
        variant = Variant(method, bits)
        ours, theirs = (
            run(network, images, variant, settings, data) for settings in ({}, published)
        )
        errors = [
            output_errors(fold(network, images[:2]), n, images, single) for *_, n in (ours, theirs)
        ]
        means = [100 * float(error.mean()) for error in errors]
        print(f"{method:18} {in_percent(theirs[0])} {means[1]:8.3f} {theirs[1]:10.1f} |", end="")
        print(f" {in_percent(ours[0])} {means[0]:8.3f} {ours[1]:8.2f} |", end="")
        print(f" {100 * ours[1] / theirs[1]:6.2f} {float((errors[0] / errors[1]).mean()):8.3f}")
        print(f"{'':10} accuracy, ours less published: {in_percent(ours[0] - theirs[0])}")
        for name, error in zip(("ours", "published"), errors, strict=True):
            print(f"{'':10} {name:10}", " ".join(f"{100 * e:7.3f}" for e in error), flush=True)


def beside_aimet(
    network: nn.Module, images: Tensor, bits: int, iterations: int, data: Data
) -> None:
    """AdaRound and BRECQ beside AIMET's AdaRound, on AIMET's own grids and on the study's."""
    import aimet_adaround

    print(f"\n{bits} bits beside AIMET's AdaRound, {iterations} iterations a layer:")
    print("                          accuracy     seconds  soft %")
    aimet = {}
    for grids in ("own", "study's"):
        start = time.process_time()
        quantized, soft = aimet_adaround.quantize(network, images, bits, iterations, grids != "own")
        aimet[grids] = data.right(quantized), time.process_time() - start
        print(f"AIMET, {grids + ' grids':14} {in_percent(aimet[grids][0])}", end="")
        print(f"  {aimet[grids][1]:9.2f} {100 * soft:7.2f}", flush=True)
    for method in ("adaround", "brecq"):
        right, seconds, _ = run(network, images, Variant(method, bits), {}, data)
        print(f"{method:21} {in_percent(right)}  {seconds:9.2f}")
        for grids, (theirs, time_of_theirs) in aimet.items():
            print(f"  less AIMET, {grids:8} {in_percent(right - theirs)}", end="")
            print(f"  {100 * seconds / time_of_theirs:9.2f} % of its time", flush=True)


@torch.no_grad()
def output_errors(full: nn.Module, quantized: nn.Module, images: Tensor, single: bool) -> Tensor:
    """Squared error of each block's (or single layer's) output, relative to its square: [blocks].

    The quantized network's blocks are fed by the blocks quantized before them, and a block's output
    is that of its activation, as both papers' procedures minimise it.
    """
    walk = Walk(full, quantized, images)
    outputs = [block.output for block in find_blocks(walk, single)]
    errors = []
    for node in walk.nodes:
        walk.run(node)
        if node in outputs:
            expected, got = (torch.cat(s.values(node)) for s in (walk.full, walk.quantized))
            errors.append((got - expected).square().sum() / expected.square().sum())
        walk.free(node)
    return torch.stack(errors)


def in_percent(values: Tensor) -> str:
    """Mean and its standard error over test images."""
    return f"{100 * values.mean():6.2f} ± {100 * values.std() / len(values) ** 0.5:.2f}"


if __name__ == "__main__":
    main()
