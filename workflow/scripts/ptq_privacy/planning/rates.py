"""How fast a device is at what the stages do: measured on the spot, or from a given figure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ptq_privacy.compression.work import Work

SHORT = 0.3  # seconds of one measurement


@dataclass(frozen=True)
class Rates:
    """Operations a second in training, inference, float32 and float64 products.

    latency: seconds of one small operation, which bounds what is done one after the other; module:
        of each of a module's operations in a training step, with what keeping track of them takes.
    """

    training: float
    inference: float
    single: float
    double: float
    latency: float
    module: float

    def seconds(self, work: Work) -> float:
        """The time that some work takes."""
        arithmetic = work.single / self.single + work.double / self.double
        return (
            arithmetic + (work.kernels + work.together) * self.latency + work.modules * self.module
        )


def given(tflops: float) -> Rates:
    """From what a device sustains in training, in 10^12 operations a second.

    Inference and quantization are float32 throughout, at half of it; float64 has a quarter, and a
    kernel takes 10 microseconds to start: roughly so on GPUs made for computing.

    Raises:
        ValueError: not above 0, or no number that can be reached.
    """
    if not 0 < tflops < math.inf:
        raise ValueError(f"TFLOPS: {tflops:g} is not above 0, or not finite")
    full = tflops * 1e12
    return Rates(full, full / 2, full / 2, full / 4, 1e-5, 1e-5)


def measured(device: torch.device, autocast: bool) -> Rates:
    """By short runs on a device, on one CPU thread as jobs have it: about two seconds."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        flops, training, inference = _convolutions(device, autocast, size=16, channels=64)
        _, tiny, _ = _convolutions(device, autocast, size=8, channels=8)
        return Rates(
            training=3 * flops / training,
            inference=flops / inference,
            single=_product(device, torch.float32),
            double=_product(device, torch.float64),
            latency=_latency(device),
            module=tiny / (3 * 4),  # three modules of about four operations each
        )
    finally:
        torch.set_num_threads(threads)


def _convolutions(
    device: torch.device, autocast: bool, size: int, channels: int
) -> tuple[int, float, float]:
    """Convolution, normalisation, ReLU: operations forward, seconds there and back, and forward."""
    batch = 32
    stack = nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    ).to(device)
    stack = stack.to(memory_format=torch.channels_last)
    images = torch.randn(batch, channels, size, size, device=device)
    images = images.contiguous(memory_format=torch.channels_last).requires_grad_()
    flops = 2 * batch * size**2 * channels**2 * 9

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            output = stack(images)
        output.float().mean().backward()

    def ask() -> None:
        with torch.inference_mode():
            stack(images)

    training = _seconds(step, device)
    stack.eval()
    return flops, training, _seconds(ask, device)


def _product(device: torch.device, dtype: torch.dtype) -> float:
    size = 512
    a = torch.randn(size, size, device=device, dtype=dtype)
    return 2 * size**3 / _seconds(lambda: a @ a, device)


def _latency(device: torch.device) -> float:
    """One of the six operations of a column's step in coordinate descent."""
    codes, error, curvature = torch.rand(3, 64, 64, device=device) + 1

    def column() -> None:
        codes[7] = (codes[7] - error[7] / curvature[7]).round_().clamp_(0, 3)

    return _seconds(column, device) / 6


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    """Seconds of one run, the mean of as many as fit a short while, after a few to warm up.

    On a CPU it is the time that the thread ran: a busy machine is not to be taken for a slow one.
    """
    cuda = device.type == "cuda"
    clock = time.perf_counter if cuda else time.process_time
    finish = torch.cuda.synchronize if cuda else (lambda: None)
    for _ in range(3):
        run()
    finish()
    runs, started = 0, clock()
    while clock() - started < SHORT:
        run()
        runs += 1
        if runs % 8 == 0:  # or a GPU's queue would grow
            finish()
    finish()
    return (clock() - started) / runs
