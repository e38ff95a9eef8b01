"""What a compression changed in a network's structure, told in words that a checkpoint can keep.

A stored variant is the factory's network, changed in the same way again. Normalisations that were
folded away have become nn.Identity, convolutions have got biases; and each module's version tells
torch how to read its state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

USUAL = 1
"""A module's version where it has no need of another."""


@dataclass(frozen=True)
class Structure:
    """How a network differs from the one that its factory makes.

    folded: paths of modules that nn.Identity has replaced.
    biased: paths of modules that have a bias and had none.
    versions: by path, versions of modules that are not the usual one.
    """

    folded: tuple[str, ...] = ()
    biased: tuple[str, ...] = ()
    versions: Mapping[str, int] = field(default_factory=dict)


def difference(original: nn.Module, changed: nn.Module) -> Structure:
    """What turns a network's structure into another's.

    Raises:
        ValueError: it cannot be told in a `Structure`; names the module.
    """
    before, after = dict(original.named_modules()), dict(changed.named_modules())
    folded, biased = [], []
    for name, module in before.items():
        if name not in after:
            raise ValueError(f"network: the module {name!r} is gone; it may become nn.Identity")
        now = after[name]
        if type(now) is nn.Identity and type(module) is not nn.Identity:
            folded.append(name)
        elif type(now) is not type(module):
            raise ValueError(
                f"network: the module {name!r} became a {type(now).__name__}; allowed: nn.Identity"
            )
        if "bias" in module._parameters and module.bias is None and now.bias is not None:
            biased.append(name)
    metadata = getattr(changed.state_dict(), "_metadata", {})
    versions = {name: about.get("version", USUAL) for name, about in metadata.items()}
    unusual = {name: number for name, number in versions.items() if number != USUAL}
    return Structure(tuple(folded), tuple(biased), unusual)


def restore(network: nn.Module, structure: Structure, state: Mapping[str, Tensor]) -> nn.Module:
    """Change a factory's network as a stored one was, give it that one's state, in eval mode.

    Raises:
        ValueError: structure or state are not of this network.
    """
    try:
        for name in structure.folded:
            network.set_submodule(name, nn.Identity(), strict=True)
        for name in structure.biased:
            module = network.get_submodule(name)
            weight = module.weight
            assert isinstance(weight, Tensor)
            module.bias = nn.Parameter(weight.new_empty(len(weight)))
        known = network.state_dict()
        metadata = getattr(known, "_metadata", {})
        for name, about in metadata.items():
            about["version"] = structure.versions.get(name, USUAL)
        known.clear()
        known.update(state)
        network.load_state_dict(known, strict=True)
    except (RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"the weights do not fit the network: {reason}") from error
    return network.eval()
