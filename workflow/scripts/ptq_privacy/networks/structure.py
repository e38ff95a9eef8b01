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
    before, after = _modules(original), _modules(changed)
    folded, biased = [], []
    for name, module in before.items():
        if name not in after:
            raise ValueError(f"network: the module {name!r} is gone; it may become nn.Identity")
        now = after[name]
        if type(now) is nn.Identity and type(module) is not nn.Identity:
            folded.append(name)
            continue
        if type(now) is not type(module):
            raise ValueError(
                f"network: the module {name!r} became a {type(now).__name__}; allowed: nn.Identity"
            )
        if _check_state(name, _own_state(module), _own_state(now)):
            biased.append(name)
    added = [name for name in after if name not in before]
    if added:
        raise ValueError(f"network: the module {added[0]!r} is new; none may be added")
    metadata = getattr(changed.state_dict(), "_metadata", {})
    versions = {name: about.get("version", USUAL) for name, about in metadata.items()}
    unusual = {name: number for name, number in versions.items() if number != USUAL}
    return Structure(tuple(folded), tuple(biased), unusual)


def _modules(network: nn.Module) -> dict[str, nn.Module]:
    """Every module by its path, by each of them where it stands in several places."""
    return dict(network.named_modules(remove_duplicate=False))


def _own_state(module: nn.Module) -> dict[str, list[int]]:
    """Shapes of a module's own parameters and buffers that a state holds."""
    known = {**module._parameters, **module._buffers}
    return {
        name: list(value.shape)
        for name, value in known.items()
        if value is not None and name not in module._non_persistent_buffers_set
    }


def _check_state(name: str, before: Mapping[str, list[int]], now: Mapping[str, list[int]]) -> bool:
    """Refuse a module whose state changed otherwise than by a bias, and say whether it got one."""
    for part in before:
        if part not in now:
            raise ValueError(f"network: the module {name!r} has no {part!r} any more")
        if now[part] != before[part]:
            raise ValueError(
                f"network: the module {name!r} has a {part!r} of shape {now[part]}, and had "
                f"{before[part]}"
            )
    added = [part for part in now if part not in before]
    if added not in ([], ["bias"]):
        raise ValueError(f"network: the module {name!r} has a new {added[0]!r}; allowed: a bias")
    return bool(added)


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
        load(network, state, structure.versions)
    except (RuntimeError, AttributeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"the weights do not fit the network: {reason}") from error
    return network.eval()


def load(
    network: nn.Module, state: Mapping[str, Tensor], versions: Mapping[str, int] | None = None
) -> None:
    """Give a network a state that has lost its modules' versions, which torch keeps beside it.

    Args:
        versions: of modules that are not the usual one; None: each module's own.

    Raises:
        RuntimeError: the state is not the network's.
    """
    known = network.state_dict()
    if versions is not None:
        for name, about in getattr(known, "_metadata", {}).items():
            about["version"] = versions.get(name, USUAL)
    known.clear()
    known.update(state)
    network.load_state_dict(known, strict=True)
