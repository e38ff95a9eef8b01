"""Settings that keep the tests of a compression short, read off its own fragment."""

from typing import Any

from ptq_privacy.study import fragments


def fast(method: str, iterations: int = 5, batch: int = 8) -> dict[str, Any]:
    """At most so many of whatever a method counts as iterations, on small minibatches."""
    most = {"iterations": iterations, "batch": batch}
    defaults = fragments.get("compressions", method).defaults
    return {
        key: min(value, most[kind])
        for key, value in defaults.items()
        if (kind := key.rpartition("_")[2]) in most
    }
