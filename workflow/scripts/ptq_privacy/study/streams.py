"""Every random stream of a study, by name, and the numbers that one of them is drawn for."""

from __future__ import annotations

STREAMS: dict[str, tuple[str, ...]] = {
    "audit samples": (),
    "test split": (),
    "members": ("pair",),
    "initial weights": ("model",),
    "epoch order": ("model", "epoch"),
    "epoch network": ("model", "epoch"),
    "privacy noise": ("model", "epoch"),
    "own training": ("model",),
    "calibration set": ("model", "draw"),
    "compression": ("model", "draw"),
    "distillation": (),
    "balanced sides": ("target",),
    "likened stand-ins": ("target",),
    "shadow sweep": ("pair", "draw"),
    "matched samples": ("target",),
    "placebo calibration": ("target",),
    "resampled samples": (),
}
"""What is drawn, and the numbers that one of its streams is for. "epoch network" is what a network
itself draws, such as dropout; "own training" the seed of your own procedure; "balanced sides" which
values are left out where a sample has more on one side; "likened stand-ins" the noise that makes
stand-ins scatter as a target does; "distillation" takes a compression's own
seed for the study's."""
