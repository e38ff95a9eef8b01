"""A built-in network by its fragment's name, for tests."""

from torch import nn

from ptq_privacy.networks import factories
from ptq_privacy.study import fragments


def build(name: str, classes: int, channels: int) -> nn.Module:
    """A fresh network for images of so many channels, its settings the defaults."""
    fragment = fragments.get("networks", name)
    return factories.build(fragment.function, classes, {"channels": channels}, fragment.defaults)
