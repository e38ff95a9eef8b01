"""Quantizes one network by every method: test accuracy and processor seconds, side by side.

A small residual network is trained on Fashion-MNIST (or read from a file) and quantized by each
method at each width, in one process on one thread. AdaRound and BRECQ then run as published
(`solver: reference`: minibatches of images, from the weights' own fractions) beside the study's
solvers, with the hard error of what each of them reconstructs and the time as a ratio.

    python benchmarks/ptq_models.py --data /usr/share/datasets/fashion-mnist
    python benchmarks/ptq_models.py --published-iterations 20000       # as long as the papers
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from ptq_privacy.compression.settings import AdaRound, Brecq, Settings

from ptq_privacy.answers import inference
from ptq_privacy.compression import quantize
from ptq_privacy.data import sources
from ptq_privacy.graph.blocks import find_blocks
from ptq_privacy.graph.folding import fold
from ptq_privacy.graph.walk import Walk
from ptq_privacy.networks import architectures
from ptq_privacy.study.experiment import METHODS, Variant
from ptq_privacy.training import sgd as training

PUBLISHED_RATE = 1e-3  # both papers' learning rate


@dataclass(frozen=True)
class Data:
    """Fashion-MNIST: uint8 images [n, 1, 28, 28], labels [n], pixel mean and deviation [1]."""

    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    mean: Tensor
    std: Tensor

    def right(self, network: nn.Module) -> Tensor:
        """Which test images a network classifies as labelled: float64 [n]."""
        images, labels = self.test
        return (inference.logits(network, images, self.mean, self.std).argmax(1) == labels).double()


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
    parser.add_argument("--published-bits", type=float, nargs="*", default=[1.58])
    parser.add_argument("--published-iterations", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load(options)
    network = trained(data, options)
    images = training.normalise(data.train[0][: options.calibration], data.mean, data.std)
    full = data.right(network)
    print(f"{options.architecture}: {in_percent(full)} % of {len(full)} test images")
    print("bits  method         accuracy     less than full  seconds")
    for bits in options.bits:
        for method in METHODS:
            right, seconds, _ = run(network, images, method, bits, Settings(), data)
            print(f"{bits:<5} {method:10} {in_percent(right)}  {in_percent(full - right)}", end="")
            print(f"  {seconds:9.2f}", flush=True)
    for bits in options.published_bits:
        compare(network, images, bits, options.published_iterations, data)


def load(options: argparse.Namespace) -> Data:
    settings = {"name": "fashion-mnist", "source": "fashion-mnist"}
    found = sources.prepare(settings | ({"path": options.data} if options.data else {}))
    arrays = [
        torch.tensor(array)
        for array in (
            found.train_images, found.train_labels, found.test_images, found.test_labels,
            found.mean, found.std,
        )
    ]  # fmt: skip
    train = arrays[0][: options.train], arrays[1][: options.train].long()
    return Data(train, (arrays[2], arrays[3].long()), arrays[4].float(), arrays[5].float())


def trained(data: Data, options: argparse.Namespace) -> nn.Module:
    training.seed_everything(0, 0)
    network = architectures.build(options.architecture, 10, 1)
    if options.network and options.network.exists():
        return architectures.restore(network, load_file(options.network))
    recipe = training.Recipe(options.epochs, 64, 0.1, 0.9, 5e-4, True, 0, False)
    training.train(network, *data.train, recipe, data.mean, data.std, 0, 0)
    network.to(memory_format=torch.contiguous_format)
    if options.network:
        save_file(network.state_dict(), options.network)
    return network


def run(
    network: nn.Module, images: Tensor, method: str, bits: float, settings: Settings, data: Data
) -> tuple[Tensor, float, nn.Module]:
    """Which test images the quantized network gets right, processor seconds, and the network."""
    start = time.process_time()
    quantized, _ = quantize(network, images, Variant(method, bits), 0, settings)
    seconds = time.process_time() - start
    return data.right(quantized), seconds, quantized


def compare(network: nn.Module, images: Tensor, bits: float, iterations: int, data: Data) -> None:
    """AdaRound and BRECQ beside themselves as published."""
    published = Settings(
        adaround=AdaRound("reference", iterations, PUBLISHED_RATE),
        brecq=Brecq("reference", iterations, PUBLISHED_RATE, batch=32),
    )
    print(f"\n{bits} bits beside the published procedure, {iterations} iterations a block:")
    print("          published: accuracy  error %    seconds | ours: accuracy  error %  seconds")
    print("                                          | time %    error ratio")
    for method in ("adaround", "brecq"):
        single = method == "adaround"
        ours, theirs = (
            run(network, images, method, bits, settings, data)
            for settings in (Settings(), published)
        )
        errors = [output_errors(fold(network), n, images, single) for *_, n in (ours, theirs)]
        means = [100 * float(error.mean()) for error in errors]
        print(f"{method:18} {in_percent(theirs[0])} {means[1]:8.3f} {theirs[1]:10.1f} |", end="")
        print(f" {in_percent(ours[0])} {means[0]:8.3f} {ours[1]:8.2f} |", end="")
        print(f" {100 * ours[1] / theirs[1]:6.2f} {float((errors[0] / errors[1]).mean()):8.3f}")
        print(f"{'':10} accuracy, ours less published: {in_percent(ours[0] - theirs[0])}")
        for name, error in zip(("ours", "published"), errors, strict=True):
            print(f"{'':10} {name:10}", " ".join(f"{100 * e:7.3f}" for e in error), flush=True)


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
