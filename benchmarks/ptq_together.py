"""Compresses several networks of one architecture side by side, and one by one.

Networks of random weights on random samples, on one thread. For each method: processor seconds and
torch's operators a model, alone and together, and whether the two came to the same bits. Operators
stand for a GPU's kernel launches.

    python benchmarks/ptq_together.py --networks resnet6 resnet8 --models 18 --bits 2
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from ptq_privacy.compression import compress_all
from ptq_privacy.graph.folding import reestimate
from ptq_privacy.networks import factories
from ptq_privacy.study import fragments
from ptq_privacy.study.variants import Variant

Models = tuple[list[nn.Module], list[Tensor]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["resnet6"], help="by name, or mlp")
    parser.add_argument("--methods", nargs="+", default=fragments.names("compressions"))
    parser.add_argument("--models", type=int, default=18)
    parser.add_argument("--images", type=int, default=256, help="of each one's calibration")
    parser.add_argument("--size", type=int, default=8, help="pixels of an image's side")
    parser.add_argument("--bits", type=float, default=2.0)
    parser.add_argument("--operators", action="store_true", help="count them, in another run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.networks:
        models, samples = several(name, options)
        print(f"\n{name}, {options.models} models, {options.images} samples, {options.bits:g} bits")
        print("method      s alone  together  ratio | operators alone  together | same bits")
        for method in options.methods:
            variant = Variant(method, options.bits)
            compare(models, samples, variant, options.operators)


def several(name: str, options: argparse.Namespace) -> Models:
    """Networks, each with normalisation that has seen its own samples."""
    models: list[nn.Module] = []
    samples: list[Tensor] = []
    for seed in range(options.models):
        torch.manual_seed(seed)
        if name == "mlp":
            layers = nn.Linear(446, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU()
            models.append(nn.Sequential(*layers, nn.Linear(128, 30)).requires_grad_(False))
            samples.append((torch.rand(options.images, 446) < 0.1).float())
            continue
        x = torch.randn(options.images, 3, options.size, options.size)
        fragment = fragments.get("networks", name)
        fresh = factories.build(fragment.function, 10, {"channels": 3}, fragment.defaults)
        models.append(reestimate(fresh.requires_grad_(False), x))
        samples.append(x)
    return models, samples


def compare(models: list[nn.Module], samples: list[Tensor], variant: Variant, count: bool) -> None:
    def alone() -> Any:
        return compress_all(models[:1], samples[:1], variant, [0])

    def together() -> Any:
        return compress_all(models, samples, variant, range(len(models)))

    alone()  # what torch sets up once
    (one_time, one), (all_time, every) = (seconds(run) for run in (alone, together))
    each = all_time / len(models)
    line = f"{variant.method:10} {one_time:8.3f} {each:9.3f} {one_time / each:6.1f} |"
    counted = [operators(alone), operators(together) / len(models)] if count else []
    line += "".join(f"{number:16,.0f}" for number in counted)
    states = one[0][0].state_dict(), every[0][0].state_dict()
    same = all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    print(f"{line} | {'yes' if same else 'no'}", flush=True)


def seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    result = run()
    return time.process_time() - started, result


class Counter(TorchDispatchMode):
    """Counts torch's operators, those that only look at memory in another way aside."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def operators(run: Callable[[], Any]) -> int:
    with Counter() as counter:
        run()
    return counter.count


if __name__ == "__main__":
    main()
