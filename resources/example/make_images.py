"""Stands in for images of your own: scikit-learn's digits as PNG files, a folder a class."""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

digits = load_digits()
for place, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
    folder = Path("images") / f"digit-{label}"
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray((pixels * 15).astype(np.uint8)).save(folder / f"{place:04d}.png")
