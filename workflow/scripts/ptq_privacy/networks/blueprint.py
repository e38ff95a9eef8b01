"""All that makes a stored network again, as plain data that a checkpoint can keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ptq_privacy.networks import structure
from ptq_privacy.networks.factories import Factory
from ptq_privacy.networks.normalised import Normalised
from ptq_privacy.networks.structure import Structure
from ptq_privacy.study import references


@dataclass(frozen=True)
class Blueprint:
    """How a network is made of its state.

    factory: what makes a fresh one.
    structure: what compressing changed in it.
    kind, statistics: of the data set; what normalises its inputs.
    """

    factory: Factory
    structure: Structure
    kind: str
    statistics: Mapping[str, Sequence[float]]

    @property
    def data(self) -> dict[str, Any]:
        """The same in mappings, lists, texts and numbers."""
        return asdict(self)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Blueprint:
        """Of what `data` gave, written as JSON and read.

        Raises:
            ValueError: a part of it is missing or is something else, or it names code that a file
                may not name.
        """
        try:
            factory, changes = data["factory"], data["structure"]
            _check_origin(factory["function"])
            return cls(
                factory=Factory(**{**factory, "inputs": tuple(factory["inputs"])}),
                structure=Structure(
                    tuple(changes["folded"]), tuple(changes["biased"]), changes["versions"]
                ),
                kind=data["kind"],
                statistics=data["statistics"],
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"does not say what makes its networks ({error!r})") from error

    def build(self, state: Mapping[str, Tensor]) -> Normalised:
        """The network with a state, in eval mode, its normalisation inside.

        Raises:
            ValueError: the factory cannot be had, or the state is not of its network.
        """
        network = structure.restore(self.factory.build(), self.structure, state)
        return Normalised(network, self.kind, self.statistics).eval()


def _check_origin(function: str) -> None:
    """A file may come from a stranger: it names a built-in network, or a module that lies in the
    working directory, and nothing else is even imported."""
    module = function.partition(":")[0].split(".")
    built_in = module[:2] == [references.LIBRARY, "networks"]
    place = Path.cwd().joinpath(*module)
    here = place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()
    if not all(part.isidentifier() for part in module) or not (built_in or here):
        raise ValueError(
            f"it names {function!r} as what makes its networks, which is neither a built-in "
            "network nor a module in the working directory; nothing was imported"
        )
