"""What a GPU makes of the stages that run networks, beside its own bounds and beside the CPU.

Needs no more than PyTorch 2.9 or newer with torchvision, numpy and PyYAML, and a copy of this
repository's tree. Random weights and random images throughout: speed and agreement are measured,
not accuracy. Parts:

    agreement   phi of every view, and OBC's float64 codes, on the device against the CPU
    training    images a second: this project's loop and the usual one, and the share of the
                device's own bfloat16 matrix rate that ours reaches
    methods     seconds and peak memory of each compression on one network; each in a process of its
                own, ended after --limit seconds
    queries     answers a second of one network, two views of each image

    python benchmarks/gpu.py                          # on a GPU, at most three minutes
    python benchmarks/gpu.py --device cpu --small     # everything at a small size, anywhere
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from ptq_privacy.answers import inference
from ptq_privacy.answers.phi import phi
from ptq_privacy.compression import compress
from ptq_privacy.data.kinds.images import augment, views
from ptq_privacy.networks import factories
from ptq_privacy.networks.normalised import Normalised
from ptq_privacy.runtime import devices
from ptq_privacy.study import fragments
from ptq_privacy.study.variants import Variant
from ptq_privacy.training import sgd
from ptq_privacy.training.epochs import Recipe

STATISTICS = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
RECIPE = Recipe(
    optimizer="sgd",
    epochs=1,
    batch_size=128,
    learning_rate=0.01,
    momentum=0.9,
    weight_decay=5e-4,
    augmentation={"flip": True, "crop_padding": 4},
    autocast=True,
)


@dataclass(frozen=True)
class Size:
    """What to measure on: networks, pixels a side, images of each part, a matrix product's side."""

    networks: tuple[str, ...]
    compressed: str
    side: int
    trained: int
    calibration: int
    queried: int
    product: int


FULL = Size(("resnet18", "resnet8"), "resnet18", 32, 12_800, 1024, 16_384, 8192)
SMALL = Size(("resnet6",), "resnet6", 8, 256, 64, 128, 128)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--small", action="store_true", help="sizes that a CPU does in seconds")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--limit", type=float, default=25.0, help="seconds of one method")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch sees no GPU here; --device cpu --small runs anywhere")
    device = prepared(options.device)
    size = SMALL if options.small else FULL
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, {size.side} x {size.side} pixels", flush=True)
    started = time.perf_counter()
    for part in options.only:
        PARTS[part](size, device, options.limit)
    print(f"all of it: {time.perf_counter() - started:.0f} s")


def prepared(kind: str) -> torch.device:
    """The device, used as jobs use it: float32 as it is, and a CPU by one thread."""
    devices.compute_exactly()
    if kind == "cpu":
        torch.set_num_threads(1)
    return torch.device(kind)


def build(name: str, side: int) -> nn.Module:
    """A network of random weights, its normalisation statistics those of random images."""
    torch.manual_seed(0)
    fragment = fragments.get("networks", name)
    network = factories.build(fragment.function, 10, {"channels": 3}, fragment.defaults)
    with torch.no_grad():
        for _ in range(4):
            network.train()(torch.randn(64, 3, side, side))
    return network.eval()


def images(count: int, side: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (count, 3, side, side), generator=generator, dtype=torch.uint8)


def agreement(size: Size, device: torch.device, limit: float) -> None:
    shown = images(size.queried // 16, size.side)
    labels = torch.randint(10, (len(shown),), generator=torch.Generator().manual_seed(2)).numpy()
    for name in size.networks:
        network = Normalised(build(name, size.side), "images", STATISTICS)
        answers = {}
        for place in (torch.device("cpu"), device):
            parts = [
                inference.logits(network.to(place), views.apply(shown.to(place), view))
                for view in views.parse_all(["identity", "flip"])
            ]
            answers[place] = phi(torch.stack(parts).cpu().numpy(), labels)
        difference = abs(answers[torch.device("cpu")] - answers[device]).max()
        verdict = "agree" if difference <= 1e-3 else "DIFFER"
        print(f"agreement  {name:10} phi of {2 * len(shown)} answers: {verdict}, {difference:.1e}")
    small = build("resnet6", 8)
    inputs = torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    codes = []
    for place in (torch.device("cpu"), device):
        _, stored = compress(small.to(place), inputs.to(place), Variant("obc", 1.58), seed=0)
        codes.append({name: weight.codes.cpu() for name, weight in stored.weights.items()})
    same = sum(int((codes[0][name] == codes[1][name]).sum()) for name in codes[0])
    total = sum(weight.numel() for weight in codes[0].values())
    # Second moments are sums of float32 products, whose order is a device's own.
    print(f"agreement  resnet6    OBC from a device's own moments: {same} of {total} codes equal")
    agree_on_one_hessian(device)


def agree_on_one_hessian(device: torch.device) -> None:
    """OBC in float64 from the same numbers: every code equal."""
    from ptq_privacy.compression import grid, obc

    generator = torch.Generator().manual_seed(4)
    weight = torch.randn(16, 72, generator=generator, dtype=torch.float64)
    inputs = torch.randn(500, 72, generator=generator, dtype=torch.float64)
    hessian = inputs.T @ inputs
    own = grid.search(weight, 3)
    there = grid.Grid(own.scale.to(device), own.zero_point.to(device), own.levels)
    here = obc.quantize_rows(weight, hessian, own)
    moved = obc.quantize_rows(weight.to(device), hessian.to(device), there).cpu()
    verdict = "equal" if torch.equal(here, moved) else "DIFFERENT"
    print(f"agreement  a layer    OBC from one float64 Hessian: codes {verdict}", flush=True)


def training(size: Size, device: torch.device, limit: float) -> None:
    """Both loops have their images on the device and bfloat16; the first pass warms up."""
    rate = product_rate(size.product, device)
    print(f"training   bfloat16 products {rate / 1e12:.3g} TFLOP/s")
    for name in size.networks:
        inputs = images(size.trained, size.side).to(device)
        labels = torch.arange(size.trained, device=device) % 10
        speeds = {}
        for loop, run in (("usual", usual_epoch), ("ours", our_epoch)):
            network = build(name, size.side).to(device)
            run(network, inputs, labels)
            reset_memory(device)
            seconds = timed(lambda: run(network, inputs, labels), device)  # noqa: B023
            speeds[loop] = size.trained / seconds
            print(f"training   {name:10} {loop:6} {speeds[loop]:9,.0f} images/s, {memory(device)}")
        achieved = 3 * flops(name, size.side) * speeds["ours"]
        print(
            f"training   {name:10} ours is {speeds['ours'] / speeds['usual']:.2f} x the usual "
            f"loop, {achieved / rate:.1%} of the products' rate",
            flush=True,
        )


def our_epoch(network: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    normalised = Normalised(network, "images", STATISTICS).to(inputs.device)
    draw = augment.augmented(inputs, **RECIPE.augmentation)
    sgd.train(network, draw, labels, RECIPE, normalised.normalise, seed=0, model=0)


def usual_epoch(network: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """As it is mostly written: float images, one crop and flip a batch's tensor, a fused step."""
    optimizer = torch.optim.SGD(
        network.parameters(), RECIPE.learning_rate, RECIPE.momentum, 0, RECIPE.weight_decay
    )
    network.train()
    order = torch.randperm(len(inputs), device=inputs.device)
    border, side = RECIPE.augmentation["crop_padding"], inputs.shape[-1]
    for chosen in order.split(RECIPE.batch_size):
        batch = (inputs[chosen].float() / 255 - 0.5) / 0.25
        padded = F.pad(batch, [border] * 4)
        crops = []
        for image in padded:
            top, left = torch.randint(2 * border + 1, (2,)).tolist()
            crop = image[:, top : top + side, left : left + side]
            crops.append(crop.flip(-1) if torch.rand(()) < 0.5 else crop)
        with torch.autocast(inputs.device.type, torch.bfloat16):
            loss = F.cross_entropy(network(torch.stack(crops)), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def flops(name: str, side: int) -> float:
    """Of one image's forward pass, a multiplication and an addition being two."""
    from torch.utils.flop_counter import FlopCounterMode

    network = build(name, side).to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, 3, side, side, device="meta"))
    return float(counter.get_total_flops())


def product_rate(side: int, device: torch.device) -> float:
    """bfloat16 operations a second in large square products."""
    matrix = torch.randn(side, side, device=device).bfloat16()
    matrix @ matrix
    return 10 * 2 * side**3 / timed(lambda: [matrix @ matrix for _ in range(10)], device)


def methods(size: Size, device: torch.device, limit: float) -> None:
    context = multiprocessing.get_context("spawn")
    for name in fragments.names("compressions"):
        found: multiprocessing.Queue = context.Queue()
        arguments = (name, size, device.type, found)
        process = context.Process(target=compress_once, args=arguments, daemon=True)
        process.start()
        try:
            found.get(timeout=60)  # it has started
            told = found.get(timeout=limit)
        except Empty:
            told = f"more than {limit:.0f} s" if process.is_alive() else "failed"
        process.kill()
        process.join()
        print(f"methods    {size.compressed:10} {name:10} {told}", flush=True)


def compress_once(name: str, size: Size, kind: str, found: multiprocessing.Queue) -> None:
    device = prepared(kind)
    network = build(size.compressed, size.side).to(device)
    normalised = Normalised(network, "images", STATISTICS).to(device)
    inputs = normalised.normalise(images(size.calibration, size.side).to(device))
    compress(build("resnet6", 8).to(device), inputs[:64, :, :8, :8], Variant(name, 2), seed=0)
    reset_memory(device)
    found.put("begun")
    seconds = timed(lambda: compress(network, inputs, Variant(name, 1.58), seed=0), device)
    found.put(f"{seconds:8.2f} s, {memory(device)}, {size.calibration} images, three levels")


def queries(size: Size, device: torch.device, limit: float) -> None:
    shown = images(size.queried, size.side).to(device)
    for name in size.networks:
        network = Normalised(build(name, size.side), "images", STATISTICS).to(device)
        asked = views.parse_all(["identity", "flip"])

        def answer() -> None:
            for view in asked:  # noqa: B023
                inference.logits(network, views.apply(shown, view))  # noqa: B023

        answer()
        reset_memory(device)
        rate = len(asked) * len(shown) / timed(answer, device)
        print(f"queries    {name:10} {rate:9,.0f} answers/s, {memory(device)}", flush=True)


def timed(run: Callable[[], object], device: torch.device) -> float:
    """Seconds until the device has done it."""
    synchronize(device)
    started = time.perf_counter()
    run()
    synchronize(device)
    return time.perf_counter() - started


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def reset_memory(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def memory(device: torch.device) -> str:
    """The most that was held: on a GPU by tensors since it was reset, else by the process ever."""
    if device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated() / 2**30:.2f} GiB at most"
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{kilobytes / 2**20:.2f} GiB the process"


PARTS = {"agreement": agreement, "training": training, "methods": methods, "queries": queries}

if __name__ == "__main__":
    main()
