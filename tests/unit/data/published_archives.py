"""Small archives in exactly the formats in which the data sets are published, made of digits.

Names, folders, compression, pickle opcodes and annotation files are those of the real archives;
only the images differ and are fewer. Each function returns what was put in.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

FASHION_MNIST_FILES = {
    "train_inputs": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_inputs": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def coloured_digits(first, count, classes, size):
    """Images uint8 [count, 3, size, size] and labels int64 [count], all classes in turn.

    A digit's image in the tint of its class, so that classes beyond ten can be told apart.
    """
    digits = load_digits()
    labels = np.arange(first, first + count) % classes
    grey = digits.images[np.arange(first, first + count) % len(digits.images)] / 16
    grey = np.kron(grey, np.ones((size // 8, size // 8)))
    tints = np.random.default_rng(0).uniform(80, 255, (classes, 3))
    return (grey[:, None] * tints[labels][:, :, None, None]).astype(np.uint8), labels


def parts(train, test, classes, size):
    train_inputs, train_labels = coloured_digits(0, train, classes, size)
    test_inputs, test_labels = coloured_digits(train, test, classes, size)
    return {
        "train_inputs": train_inputs,
        "train_labels": train_labels,
        "test_inputs": test_inputs,
        "test_labels": test_labels,
    }


def idx(array):
    """Bytes of an idx file, by the format's definition."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def fashion_mnist(folder: Path, train=300, test=100, pack=gzip.compress, suffix=".gz"):
    made = parts(train, test, 10, 32)
    for name in ("train_inputs", "test_inputs"):
        made[name] = made[name][:, :1, 2:30, 2:30]
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in FASHION_MNIST_FILES.items():
        content = made[name][:, 0] if "inputs" in name else made[name]
        (folder / f"{file}{suffix}").write_bytes(pack(idx(content)))
    return made


def python_2_pickle(value):
    """A pickle as Python 2 wrote it with protocol 2: strings are byte strings."""
    return b"\x80\x02" + _opcodes(value) + b"."


def _opcodes(value):
    if isinstance(value, dict):
        items = b"".join(_opcodes(key) + _opcodes(item) for key, item in value.items())
        return b"}(" + items + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(_opcodes, value)) + b"e"
    if isinstance(value, bytes):
        short = len(value) < 256
        return (b"U" + struct.pack("<B", len(value)) if short else _long(value)) + value
    if isinstance(value, np.ndarray):
        array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN" + b"J\xff\xff\xff\xff" * 2
        shape = b"(" + b"".join(_opcodes(size) for size in value.shape) + b"t"
        content = value.tobytes()
        return array + b"(K\x01" + shape + dtype + b"K\x00tb\x89" + _long(content) + content + b"tb"
    return b"J" + struct.pack("<i", value)


def _long(content):
    return b"T" + struct.pack("<I", len(content))


def cifar_files(source, made, names):
    """The files of a CIFAR archive's folder: name -> content."""
    ten = source == "cifar-10"
    labels = b"labels" if ten else b"fine_labels"

    def batch(images, targets, title):
        content = {
            b"filenames": [b"digit_%05d.png" % number for number in range(len(images))],
            b"batch_label": title,
            labels: targets.tolist(),
            b"data": images.reshape(len(images), 3072),
        }
        if not ten:
            content[b"coarse_labels"] = (targets // 5).tolist()
        return python_2_pickle(content)

    encoded = [name.encode() for name in names]
    test = batch(made["test_inputs"], made["test_labels"], b"testing batch 1 of 1")
    if not ten:
        train = batch(made["train_inputs"], made["train_labels"], b"training batch 1 of 1")
        coarse = [b"group_%d" % number for number in range(20)]
        meta = {b"fine_label_names": encoded, b"coarse_label_names": coarse}
        return {"meta": python_2_pickle(meta), "test": test, "train": train, "file.txt~": b""}
    batches = zip(
        np.array_split(made["train_inputs"], 5),
        np.array_split(made["train_labels"], 5),
        strict=True,
    )
    meta = {b"num_cases_per_batch": 10000, b"label_names": encoded, b"num_vis": 3072}
    files = {"batches.meta": python_2_pickle(meta), "readme.html": b"<HTML></HTML>"}
    for number, (images, targets) in enumerate(batches, 1):
        files[f"data_batch_{number}"] = batch(images, targets, b"training batch %d of 5" % number)
    return files | {"test_batch": test}


def cifar(source, path: Path, train=300, test=100):
    """`cifar-10-python.tar.gz` or `cifar-100-python.tar.gz` at `path`."""
    classes = 10 if source == "cifar-10" else 100
    made = parts(train, test, classes, 32)
    made["classes"] = tuple(f"kind_{number}" for number in range(classes))
    folder = "cifar-10-batches-py" if source == "cifar-10" else "cifar-100-python"
    write_tar(path, folder, cifar_files(source, made, made["classes"]))
    return made


def write_tar(path: Path, folder, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz", format=tarfile.USTAR_FORMAT) as archive:
        top = tarfile.TarInfo(f"{folder}/")
        top.type, top.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(top)
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def jpeg(image):
    """An image [3, H, W] as JPEG, and the pixels that this JPEG decodes to."""
    buffer = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(buffer, "JPEG", quality=95)
    decoded = np.asarray(Image.open(io.BytesIO(buffer.getvalue())))
    return buffer.getvalue(), decoded.transpose(2, 0, 1)


def tiny_imagenet(path: Path, train=400, test=200):
    """`tiny-imagenet-200.zip` at `path`, its `test` split left out but for one file."""
    made = parts(train, test, 200, 64)
    rng = np.random.default_rng(0)
    numbers = [f"n{number:08d}" for number in sorted(rng.choice(10**8, 200, replace=False))]
    listed = [numbers[place] for place in rng.permutation(200)]  # as wnids.txt: in no order
    words = [f"{number}\tthing {place}, Res exempli" for place, number in enumerate(numbers)]
    files = {
        "wnids.txt": "".join(f"{number}\n" for number in listed).encode(),
        "words.txt": "\n".join(["n00000000\tentity", *words]).encode(),
        "test/images/test_0.JPEG": jpeg(made["test_inputs"][0])[0],
    }
    train_inputs = {}
    for place, label in enumerate(made["train_labels"]):
        file = f"train/{numbers[label]}/images/{numbers[label]}_{place // 200}.JPEG"
        files[file], train_inputs[file] = jpeg(made["train_inputs"][place])
        files[f"train/{numbers[label]}/{numbers[label]}_boxes.txt"] = b"x.JPEG\t0\t0\t9\t9\n"
    annotations = []
    for place, label in enumerate(made["test_labels"]):
        file = f"val/images/val_{place}.JPEG"
        files[file], made["test_inputs"][place] = jpeg(made["test_inputs"][place])
        annotations.append(f"val_{place}.JPEG\t{numbers[label]}\t0\t32\t44\t62\n")
    files["val/val_annotations.txt"] = "".join(annotations).encode()
    write_zip(path, "tiny-imagenet-200", files)
    order = sorted(train_inputs)
    made["train_inputs"] = np.stack([train_inputs[file] for file in order])
    made["train_labels"] = np.array([numbers.index(file.split("/")[1]) for file in order])
    made["classes"] = tuple(f"{number} thing {place}" for place, number in enumerate(numbers))
    return made


def write_zip(path: Path, folder, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for parent in sorted({str(Path(folder, name).parent) for name in files}):
            archive.writestr(f"{parent}/", b"")
        for name, content in files.items():
            archive.writestr(f"{folder}/{name}", content)


def locations(path: Path, rows=5010, classes=30):
    """The archive of one file: rows in prototypes of their class, each with a few others."""
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.arange(rows) % classes)
    prototypes = generator.random((classes, 446)) < 0.2
    features = prototypes[labels] ^ (generator.random((rows, 446)) < 0.05)
    commas = np.full((rows, 446, 2), ord(","), np.uint8)
    commas[:, :, 1] = ord("0") + features
    lines = (
        f'"{label + 1}"'.encode() + row.tobytes() for label, row in zip(labels, commas, strict=True)
    )
    put_in_tar(path, {"bangkok": b"".join(line + b"\n" for line in lines)})
    return {"inputs": features.astype(np.float32), "labels": labels}


def banking77(folder: Path, train=160, test=40):
    """The two files: questions in words of their intent, some in quotes over two lines."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in (("train", train), ("test", test)):
        rows = ["text,category"]
        for number in range(count):
            intent = ("card_arrival", "lost_card", "top_up")[number % 3]
            words = intent.replace("_", f" {'very ' * (number % 5)}")
            rows.append(f'"Where, {number},\n is my {words}?",{intent}')
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")


def put_in_tar(path: Path, files):
    """A .tar.gz of some files, by their names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
