"""What privacy costs in training: a step of DP-SGD against a plain one, on one thread, in one run.

python benchmarks/dp_sgd.py

Each sample's gradient is had in four ways: by torch.func, as this project does; by Opacus' hooks;
by its hooks with torch.func in every layer; and by ghost clipping, which never forms it.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.append(str(Path(__file__).parents[1] / "workflow" / "scripts"))
warnings.simplefilter("ignore")

from opacus.grad_sample import GradSampleModule, GradSampleModuleFastGradientClipping  # noqa: E402
from opacus.optimizers import DPOptimizer, DPOptimizerFastGradientClipping  # noqa: E402
from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping  # noqa: E402

from ptq_privacy.networks import factories  # noqa: E402
from ptq_privacy.study import fragments  # noqa: E402
from ptq_privacy.training import dp_sgd  # noqa: E402

SECONDS = 2.0  # of one measurement
CASES: dict[str, tuple[dict[str, int], tuple[int, ...], int]] = {
    "resnet8-gn": ({"channels": 1}, (1, 28, 28), 10),
    "mlp": ({"features": 446}, (446,), 30),
    "transformer": ({"vocabulary": 2000, "length": 40}, (40,), 77),
}
BATCH = 64

Step = Callable[[], object]


def plain(network: nn.Module, inputs: Tensor, labels: Tensor) -> Step:
    network = network.to(memory_format=torch.channels_last)
    optimizer = _sgd(network)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(network(inputs), labels).backward()
        optimizer.step()

    return step


def ours(network: nn.Module, inputs: Tensor, labels: Tensor) -> Step:
    gradients = dp_sgd._of_each_sample(network)
    optimizer = _private(network)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        gradients(inputs, labels)
        optimizer.step()

    return step


def hooks(
    network: nn.Module, inputs: Tensor, labels: Tensor, force_functorch: bool = False
) -> Step:
    wrapped = GradSampleModule(network, loss_reduction="sum", force_functorch=force_functorch)
    optimizer = _private(network)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(wrapped(inputs), labels, reduction="sum").backward()
        optimizer.step()

    return step


def functorch(network: nn.Module, inputs: Tensor, labels: Tensor) -> Step:
    return hooks(network, inputs, labels, force_functorch=True)


def ghost(network: nn.Module, inputs: Tensor, labels: Tensor) -> Step:
    wrapped = GradSampleModuleFastGradientClipping(
        network, loss_reduction="sum", max_grad_norm=1.0, use_ghost_clipping=True
    )
    optimizer = DPOptimizerFastGradientClipping(
        _sgd(network), noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=BATCH,
        loss_reduction="sum",
    )  # fmt: skip
    criterion = nn.CrossEntropyLoss(reduction="sum")
    loss = DPLossFastGradientClipping(wrapped, optimizer, criterion, loss_reduction="sum")

    def step() -> None:
        loss(wrapped(inputs), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _sgd(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)


def _private(network: nn.Module) -> DPOptimizer:
    optimizer = DPOptimizer(
        _sgd(network), noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=BATCH
    )
    optimizer.attach_step_hook(dp_sgd._in_one_order)
    return optimizer


def seconds(step: Step) -> float:
    """Of the thread's own time, a step."""
    for _ in range(2):
        step()
    steps, started = 0, time.process_time()
    while time.process_time() - started < SECONDS:
        step()
        steps += 1
    return (time.process_time() - started) / steps


def main() -> None:
    torch.set_num_threads(1)
    for name, (sizes, shape, classes) in CASES.items():
        fragment = fragments.get("networks", name)
        torch.manual_seed(0)
        labels = torch.randint(classes, (BATCH,))
        inputs = torch.randn(BATCH, *shape)
        if name == "transformer":
            inputs = torch.randint(1, 2000, (BATCH, *shape)).float()
        found = {}
        for way in (plain, ours, hooks, functorch, ghost):
            network = factories.build(fragment.function, classes, sizes, fragment.defaults).train()
            for module in network.modules():
                if isinstance(module, nn.ReLU):
                    module.inplace = False  # hooks cannot see through it
            try:
                found[way.__name__] = seconds(way(network, inputs, labels))
            except RuntimeError as error:
                print(f"{name}: {way.__name__} fails: {' '.join(str(error).split())[:80]}")
        base = found.pop("plain")
        ratios = ", ".join(f"{way} {taken / base:.1f}" for way, taken in found.items())
        print(f"{name}: a plain step {1000 * base:.1f} ms; times as long: {ratios}")


if __name__ == "__main__":
    main()
