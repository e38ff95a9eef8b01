"""One stored model for use elsewhere: make export FILE=results/… MODEL=3 OUT=net.onnx"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ptq_privacy.exchange.export import Exported, export


def explained(output: Path, made: Exported) -> str:
    """What was written, in a line."""
    size = f"{output}: {made.bytes_written:,} bytes"
    if made.largest_difference is None:
        return f"{size}, float32 weights by the network's own names; nothing here runs it to check"
    return (
        f"{size}, {made.bytes_float32 / made.bytes_written:.1f} times smaller than with float32 "
        f"weights; the same predictions on all {made.samples:,} audit samples, logits within "
        f"{made.largest_difference:.1g}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="make export", description=__doc__)
    parser.add_argument("file", type=Path, help="a checkpoint shard of a study's results")
    parser.add_argument("model", type=int, help="its number in the pool")
    parser.add_argument("output", type=Path, help="what to write: .onnx or .safetensors")
    arguments = parser.parse_args()
    try:
        made = export(arguments.file, arguments.model, arguments.output)
    except (ValueError, OSError) as error:
        sys.exit(f"export: {error}")
    print(explained(arguments.output, made))


if __name__ == "__main__":
    main()
