"""One threshold for all: the target's own confidence, without shadow models (Yeom et al. 2018).

It is the baseline that knows nothing of how hard a sample is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ptq_privacy.attacks.evidence import Evidence


def scores(evidence: Evidence, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """phi itself, averaged over queries: float64 [T, samples]; `settings` are none."""
    queries = evidence.attacked.shape[2]
    total = sum(evidence.attacked[:, :, query] for query in range(queries))
    return {"global_threshold": total / queries}
