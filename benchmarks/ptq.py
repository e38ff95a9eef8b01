"""Times the quantizers beside plain implementations of the published procedures.

Plain means as the papers' code does it: OBC changes the whole inverse at every step, 32 rows a
batch; AdaRound learns on minibatches by automatic differentiation; the range search goes channel by
channel. All run in turn in one process on the same synthetic layers, on one thread, in processor
seconds, the system's for fresh memory included; the fastest of several runs counts. Plain OBC runs
on its first batch of rows, its time is given for all of them. Plain AdaRound runs the stated
iterations only: its time is given for one iteration, and its error is the one reached by then.

Then whole networks of random weights on random images, to 1.58 bits, by each method. What 20,000
iterations of the published solvers would take is extrapolated from the cost of a few.

    python benchmarks/ptq.py --sizes 27 144 288 576 1152 --networks resnet8 resnet18
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from ptq_privacy.compression import adaround, compress, grid, obc, refit
from ptq_privacy.compression.grid import Grid
from ptq_privacy.graph.folding import reestimate
from ptq_privacy.networks import factories
from ptq_privacy.study import fragments
from ptq_privacy.study.variants import Variant

SIZES = (27, 144, 288, 576)
NETWORKS = ("resnet8",)
PUBLISHED_ITERATIONS = 20_000
OBC_ROWS = 32  # of one batch of the published code
POSITIONS = 8192  # inputs of a layer
HEADER = (
    "rows x d      grid: loop   ours ratio | OBC: plain     ours ratio differ error% |"
    " AdaRound: plain/it error%   ours/all error% | refit     s error%"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="d of each layer")
    parser.add_argument("--rows", type=int, default=64, help="output channels of each")
    parser.add_argument("--networks", nargs="*", default=NETWORKS, help="by name")
    parser.add_argument("--images", type=int, default=128, help="of a network's calibration")
    parser.add_argument("--levels", type=int, default=3)
    parser.add_argument("--plain-limit", type=int, default=576, help="largest d of plain OBC")
    parser.add_argument("--iterations", type=int, default=100, help="of plain AdaRound")
    parser.add_argument("--batch", type=int, default=1568, help="positions a minibatch: 32 x 7 x 7")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest of ours counts")
    options = parser.parse_args()
    if min(options.sizes) < 1 or options.rows < 1 or options.iterations < 1 or options.repeats < 1:
        parser.error("--sizes, --rows, --iterations and --repeats should be positive")
    if not 1 <= options.batch <= POSITIONS:
        parser.error(f"--batch should be 1 to {POSITIONS}")
    torch.set_num_threads(1)
    layers(options)
    for name in options.networks:
        network(name, options.images)


def layers(options: argparse.Namespace) -> None:
    """One line a layer size. Errors are tr(E H E^T) in percent of tr(W H W^T)."""
    print(f"{options.levels} levels; plain AdaRound: {options.iterations} iterations, lr 1e-2")
    print(HEADER)
    for d in options.sizes:
        weight, x = synthetic(options.rows, d)
        second = x.T @ x / len(x)
        on = grid.search(weight, options.levels)
        print(
            f"{options.rows:4} x {d:<5}",
            compare_grid(weight, options),
            compare_obc(weight, second.double(), on, options),
            compare_adaround(weight, x, second, on, options),
            time_refit(weight, second, on, options),
            sep=" | ",
            flush=True,
        )


def compare_grid(weight: Tensor, options: argparse.Namespace) -> str:
    slow, expected = fastest(lambda: plain_search(weight, options.levels), 1)
    fast, found = fastest(lambda: grid.search(weight, options.levels), options.repeats)
    different = int((expected.scale != found.scale).sum())
    mark = f" ({different} scales differ)" if different else ""
    return f"{slow:8.3f} {fast:6.3f} {slow / fast:5.0f}{mark}"


def compare_obc(weight: Tensor, hessian: Tensor, on: Grid, options: argparse.Namespace) -> str:
    fast, codes = fastest(lambda: obc.quantize_rows(weight, hessian, on), options.repeats)
    reached = error(codes, on, weight, hessian.float())
    d = len(hessian)
    if d > options.plain_limit:
        return f"{'-':>8} {fast:8.3f} {'-':>5} {'-':>6} {reached:6.2f}"
    rows = slice(OBC_ROWS)
    slow, expected = fastest(
        lambda: plain_obc(weight[rows], hessian, on.rows(rows)), options.repeats if d < 400 else 1
    )
    slow *= len(weight) / len(expected)
    different = int((codes[rows] != expected).sum())
    return f"{slow:8.3f} {fast:8.3f} {slow / fast:5.1f} {different:6} {reached:6.2f}"


def compare_adaround(
    weight: Tensor, x: Tensor, second: Tensor, on: Grid, options: argparse.Namespace
) -> str:
    slow, plain = fastest(
        lambda: plain_adaround(weight, x, on, options.iterations, options.batch), 1
    )
    fast, codes = fastest(
        lambda: adaround.quantize_rows(weight, second, weight @ second, on), options.repeats
    )
    reached = error(plain, on, weight, second), error(codes, on, weight, second)
    return f"{slow / options.iterations:9.4f} {reached[0]:6.2f} {fast:9.3f} {reached[1]:6.2f}"


def time_refit(weight: Tensor, second: Tensor, on: Grid, options: argparse.Namespace) -> str:
    fast, result = fastest(
        lambda: refit.quantize_rows(weight, second, weight @ second, on), options.repeats
    )
    codes, refitted = result
    return f"{fast:7.3f} {error(codes, refitted, weight, second):6.2f}"


def network(name: str, count: int) -> None:
    """One line a method. Errors are of the logits, in percent of their squared deviation."""
    torch.manual_seed(0)
    images = torch.nn.functional.interpolate(torch.randn(count, 3, 8, 8), scale_factor=4)
    fragment = fragments.get("networks", name)
    fresh = factories.build(fragment.function, 10, {"channels": images.shape[1]}, fragment.defaults)
    model = reestimate(fresh.requires_grad_(False), images)
    logits = model(images)
    print(f"\n{name}, 1.58 bits, {count} images of 32 x 32: seconds, error%, published solver")
    for method in fragments.names("compressions"):
        variant = Variant(method, 1.58)
        spent, (result, _) = fastest(partial(compress, model, images, variant, 0), 1)
        gap = (result(images) - logits).square().sum() / (logits - logits.mean(0)).square().sum()
        published = ""
        if method in ("adaround", "brecq"):
            published = f"{published_seconds(model, images, variant):9.0f} s (extrapolated)"
        print(f"{method:10} {spent:9.2f} {100 * float(gap):7.1f} {published}", flush=True)


def published_seconds(model: torch.nn.Module, images: Tensor, variant: Variant) -> float:
    """What the published minibatch procedure would take, from two short runs' difference."""
    few, more = 10, 30
    times = []
    for iterations in (few, more):
        settings = {"solver": "reference", "iterations": iterations, "batch": 32}
        run = fastest(partial(compress, model, images, variant, 0, settings), 1)
        times.append(run[0])
    return (times[1] - times[0]) / (more - few) * PUBLISHED_ITERATIONS


def synthetic(rows: int, d: int) -> tuple[Tensor, Tensor]:
    """A weight [rows, d], and correlated inputs [positions, d] after a ReLU."""
    generator = torch.Generator().manual_seed(d)
    mix = torch.randn(d, d, generator=generator) / d**0.5
    x = (torch.randn(POSITIONS, d, generator=generator) @ mix).relu()
    return torch.randn(rows, d, generator=generator) / d**0.5, x


def error(codes: Tensor, on: Grid, weight: Tensor, second: Tensor) -> float:
    gap = grid.dequantize(codes, on) - weight
    return 100 * float(((gap @ second) * gap).sum() / ((weight @ second) * weight).sum())


def fastest(run: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The shortest of several runs in processor seconds, and the last one's result."""
    shortest = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        result = run()
        shortest = min(shortest, time.process_time() - start)
    return shortest, result


def plain_search(weight: Tensor, levels: int) -> Grid:
    scales, zeros = [], []
    for row in weight:
        low, high = row.min().clamp(max=0), row.max().clamp(min=0)
        best = torch.tensor(float("inf"))
        for step in range(80):
            share = 1 - step / 100
            scale = (share * high - share * low) / (levels - 1)
            zero = torch.round(-share * low / scale)
            quantized = scale * ((row / scale).round().add(zero).clamp(0, levels - 1) - zero)
            loss = (quantized - row).abs().pow(2.4).sum()
            if loss < best:
                best, chosen = loss, (scale, zero)
        scales.append(chosen[0])
        zeros.append(chosen[1])
    return Grid(torch.stack(scales), torch.stack(zeros), levels)


def plain_obc(weight: Tensor, hessian: Tensor, on: Grid) -> Tensor:
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
    codes = torch.zeros(weight.shape, dtype=torch.uint8)
    for start in range(0, len(weight), OBC_ROWS):
        part = slice(start, start + OBC_ROWS)
        codes[part] = plain_obc_rows(weight[part].double(), inverse, on.rows(part))
    return codes


def plain_obc_rows(weight: Tensor, inverse: Tensor, on: Grid) -> Tensor:
    rows = torch.arange(len(weight))
    scale, zero = on.columns(weight.dtype)
    inverses = inverse.repeat(len(weight), 1, 1)
    done = torch.zeros_like(weight, dtype=torch.bool)
    codes = torch.zeros(weight.shape, dtype=torch.uint8)
    for _ in range(weight.shape[1]):
        code = ((weight / scale).round() + zero).clamp(0, on.levels - 1)
        gap = weight - scale * (code - zero)
        squared = gap.square().masked_fill(done, 0)
        cost = (squared / inverses.diagonal(dim1=1, dim2=2)).masked_fill(done, torch.inf)
        outlier = (squared > scale.square() / 4).any(1)
        j = torch.where(outlier, squared.argmax(1), cost.argmin(1))
        codes[rows, j] = code[rows, j].to(torch.uint8)
        line = inverses[rows, j]
        pivot = line[rows, j]
        weight = weight - line * (gap[rows, j] / pivot)[:, None]
        line = line / pivot.sqrt()[:, None]
        inverses -= torch.bmm(line[:, :, None], line[:, None, :])
        done[rows, j] = True
    return codes


def plain_adaround(weight: Tensor, x: Tensor, on: Grid, iterations: int, batch: int) -> Tensor:
    scale, zero = on.columns(weight.dtype)
    floor = (weight / scale).floor()
    v = torch.logit((weight / scale - floor + 0.1) / 1.2).requires_grad_()
    optimizer = torch.optim.Adam([v], lr=1e-2)
    y = x @ weight.T
    generator = torch.Generator().manual_seed(0)
    for iteration in range(iterations):
        chosen = torch.randint(len(x), (batch,), generator=generator)
        h = (torch.sigmoid(v) * 1.2 - 0.1).clamp(0, 1)
        soft = scale * ((floor + h + zero).clamp(0, on.levels - 1) - zero)
        loss = (x[chosen] @ soft.T - y[chosen]).square().sum(1).mean()
        progress = iteration / iterations
        if progress >= 0.2:
            beta = 20 - 18 * (progress - 0.2) / 0.8
            loss = loss + 0.01 * (1 - (2 * h - 1).abs().pow(beta)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    up = (torch.sigmoid(v.detach()) * 1.2 - 0.1) >= 0.5
    return (floor + up + zero).clamp(0, on.levels - 1).to(torch.uint8)


if __name__ == "__main__":
    main()
