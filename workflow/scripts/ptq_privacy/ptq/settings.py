"""Every knob of the quantization methods; what is not here is fixed by the papers."""

from __future__ import annotations

from dataclasses import dataclass, field

POSITIONS = 20_000  # more change the second moments by less than other images would

SOLVERS = ("moments", "reference")


@dataclass(frozen=True)
class AdaRound:
    """Layer-wise learned rounding (Nagel et al. 2020).

    solver: "moments" solves the quadratic that the loss is without an activation, with full-batch
        gradients from second moments, and learns on sampled positions where an activation follows.
        "reference" is the published procedure on minibatches of images.
    iterations, learning_rate: the paper's (for "reference") are 10,000 and 1e-3. Sampled positions
        take four steps for each of these.
    batch: images a minibatch, 32 in the paper; "reference" only.
    """

    solver: str = "moments"
    iterations: int = 200
    learning_rate: float = 0.1
    batch: int = 32

    def __post_init__(self) -> None:
        _check("adaround", self.solver, self.iterations, self.learning_rate, self.batch)


@dataclass(frozen=True)
class Brecq:
    """Block reconstruction (Li et al. 2021).

    solver: "moments" starts each block from the layer-wise solution on second moments; "reference"
        is the published procedure, which starts from the weights' own fractional parts.
    iterations, learning_rate, batch: the paper's are 20,000, 1e-3 and 32.
    fisher: weight the squared error of a block's output by the Fisher diagonal, as the paper does;
        its code's default, and the study's authors', is the plain squared error.
    bf16: autocast the block to bfloat16: faster on GPUs, slower on CPUs without AMX.
    """

    solver: str = "moments"
    iterations: int = 400
    learning_rate: float = 0.15
    batch: int = 8
    fisher: bool = False
    bf16: bool = False

    def __post_init__(self) -> None:
        _check("brecq", self.solver, self.iterations, self.learning_rate, self.batch)


@dataclass(frozen=True)
class Obc:
    """Greedy second-order quantization (Frantar and Alistarh 2022).

    damping: added to the Hessian's diagonal, relative to its mean; the paper's is 0.
    """

    damping: float = 0.0

    def __post_init__(self) -> None:
        if not self.damping >= 0:
            raise ValueError(f"obc.damping: {self.damping:g} is negative")


@dataclass(frozen=True)
class Refit:
    """Codes, scales and biases fitted together, then distilled: this project's own method.

    iterations, learning_rate, batch: of the distillation of scales and biases from full-precision
        predictions; 0 iterations leave it out.
    """

    iterations: int = 200
    learning_rate: float = 1e-2
    batch: int = 32

    def __post_init__(self) -> None:
        if self.iterations < 0:
            raise ValueError("refit: iterations should not be negative")
        if self.batch < 1 or not self.learning_rate > 0:
            raise ValueError("refit: batch and learning_rate should be positive")


@dataclass(frozen=True)
class Settings:
    """All methods' settings, and `positions`: how many positions the second moments average."""

    adaround: AdaRound = field(default_factory=AdaRound)
    brecq: Brecq = field(default_factory=Brecq)
    obc: Obc = field(default_factory=Obc)
    refit: Refit = field(default_factory=Refit)
    positions: int = POSITIONS

    def __post_init__(self) -> None:
        if self.positions < 1:
            raise ValueError(f"positions: {self.positions} should be at least 1")


def _check(method: str, solver: str, iterations: int, learning_rate: float, batch: int) -> None:
    if solver not in SOLVERS:
        raise ValueError(f"{method}.solver: unknown {solver!r}; allowed: {', '.join(SOLVERS)}")
    if iterations < 1 or batch < 1 or not learning_rate > 0:
        raise ValueError(f"{method}: iterations, batch and learning_rate should be positive")
