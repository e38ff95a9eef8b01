"""AIMET's AdaRound as a peer for `ptq_models.py`: Qualcomm's package, on a network of ours.

It is no dependency: `pip install aimet-torch` into an environment of its own, and run the benchmark
from there. Weights only, per output channel, asymmetric, every convolution and linear layer, batch
normalisation folded as the study folds it; everything else is the package's default.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ptq_privacy.compression.grid import Grid, search
from ptq_privacy.graph.folding import fold

try:
    with warnings.catch_warnings(action="ignore"):
        from aimet_torch.adaround import Adaround, AdaroundParameters
except ImportError as error:
    raise SystemExit(f"{error}: pip install aimet-torch, into an environment of its own") from None

BATCH = 32  # images of a minibatch, as AIMET draws positions for a step

CONFIG = {
    "defaults": {
        "ops": {},
        "params": {"is_quantized": "True", "is_symmetric": "False"},
        "strict_symmetric": "False",
        "per_channel_quantization": "True",
    },
    "params": {"bias": {"is_quantized": "False"}},
    "op_type": {},
    "supergroups": [],
    "model_input": {},
    "model_output": {},
}
"""AIMET's, for weights alone; it writes truth as text."""


def quantize(
    network: nn.Module, images: Tensor, bits: int, iterations: int, study_grid: bool
) -> tuple[nn.Module, float]:
    """A network quantized by AIMET's AdaRound.

    Args:
        network: in eval mode; left untouched.
        images: calibration images, normalised.
        bits: of every layer's weights.
        iterations: a layer; AIMET's default is 15,000 below 8 bits.
        study_grid: round on the grids that the study's methods would use, not on AIMET's own.

    Returns:
        The network, and the share of its weights that were still soft, between two points of their
        grid. They are rounded to the nearer one, as AIMET's own quantizer does on loading.

    Raises:
        ValueError: a weight is outside its grid; names the layer.
    """
    wrapped: list[Any] = []

    class Recorded(Adaround):
        """Keeps what AIMET wraps layers in: the grids are there."""

        @staticmethod
        def _get_adaround_wrapper(quant_module):  # type: ignore[no-untyped-def]
            wrapped.append(Adaround._get_adaround_wrapper(quant_module))
            return wrapped[-1]

        @staticmethod
        def _compute_param_encodings(quant_sim):  # type: ignore[no-untyped-def]
            Adaround._compute_param_encodings(quant_sim)
            if study_grid:
                _search_grids(quant_sim.model.modules(), 2**bits)

    folded = fold(network, images[:2])
    loader: Any = DataLoader(images, batch_size=BATCH)  # type: ignore[arg-type]
    asked = AdaroundParameters(loader, len(loader), default_num_iterations=iterations)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(CONFIG))
        quantized = Recorded.apply_adaround(
            folded,
            images[:1],
            asked,
            path=folder,
            filename_prefix="adaround",
            default_param_bw=bits,
            default_config_file=str(config),
        )
    names = {parameter: name for name, parameter in quantized.named_parameters()}
    soft = [_harden(names[wrapper.weight], wrapper, 2**bits) for wrapper in wrapped]
    return quantized, float(torch.cat(soft).double().mean())


@torch.no_grad()
def _search_grids(modules: Iterable[Any], levels: int) -> None:
    """Give each weight's quantizer the range of the grid that the study would search for it."""
    for module in modules:
        quantizers = dict(getattr(module, "param_quantizers", {}).items())
        if (quantizer := quantizers.get("weight")) is not None:
            grid: Grid = search(module.weight.flatten(1), levels)
            low = -grid.zero_point * grid.scale
            high = low + (levels - 1) * grid.scale
            quantizer.set_range(low.view_as(quantizer.min), high.view_as(quantizer.max))


@torch.no_grad()
def _harden(name: str, wrapper: Any, levels: int) -> Tensor:
    """Round a layer's weights to its grid, and say which of them were not on it."""
    scale, offset = wrapper.broadcasted_delta, wrapper.broadcasted_offset
    soft = wrapper.weight / scale - offset
    codes = soft.round()
    if not (codes.min() >= 0 and codes.max() < levels):
        raise ValueError(f"AIMET's {name}: codes {codes.min():g} to {codes.max():g} of {levels}")
    wrapper.weight.copy_((codes + offset) * scale)
    return ((soft - codes).abs() > 1e-3).flatten()
