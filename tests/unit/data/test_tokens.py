"""Texts as tokens: what they must be, how they are viewed and shown, and where they come from."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ptq_privacy.data import dataset, kinds
from ptq_privacy.data.kinds.tokens import augment, check, normalise, show, views
from ptq_privacy.data.preparation import prepare
from tests.unit.data import published_archives

DETAILS = {"tokenizer": {"model": {"vocab": {str(number): number for number in range(9)}}}}
TOKENS = np.array([[3, 4, 5, 6, 7, 0, 0], [8, 0, 0, 0, 0, 0, 0]], np.int32)


def loaded(path, source="text", **settings):
    return prepare({"name": "t", "source": source, "path": str(path), **settings})


def written(path, texts, labels=None):
    labels = labels or [("yes", "no")[number % 2] for number in range(len(texts))]
    lines = [f'"{text}",{label}' for text, label in zip(texts, labels, strict=True)]
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    return path


@pytest.mark.parametrize(
    ("view", "first", "second"),
    [
        ("identity", [3, 4, 5, 6, 7], [8]),
        ("first-half", [3, 4, 5], [8]),
        ("last-half", [5, 6, 7], [8]),
        ("drop:1/2", [4, 6], [8]),  # nothing would be left of the second
        ("drop:2/3", [3, 5, 6], [8]),
    ],
)
def test_views_move_what_is_left_together(view, first, second):
    (parsed,) = views.parse_all([view])
    shown = views.apply(torch.from_numpy(TOKENS), parsed, {})
    assert shown.dtype == torch.int32
    for row, left in zip(shown.tolist(), (first, second), strict=True):
        assert row == left + [0] * (7 - len(left))


@pytest.mark.parametrize("text", ["flip", "drop:4/3", "half"])
def test_other_views_are_refused(text):
    with pytest.raises(ValueError, match=f"query '{text}': allowed: drop:PART/PARTS"):
        views.parse_all([text])


def test_a_network_gets_the_numbers_and_is_told_the_sizes():
    statistics = normalise.statistics(TOKENS, DETAILS)
    assert statistics == {"vocabulary": (9.0,)}
    tokens = torch.from_numpy(TOKENS)
    assert torch.equal(normalise.apply(tokens, {}), tokens.float())
    assert kinds.part("tokens", "sizes").sizes((7,), statistics) == {"vocabulary": 9, "length": 7}
    chosen = torch.tensor([1, 1, 0])
    assert torch.equal(augment.augmented(tokens)(chosen, torch.Generator()), tokens[chosen])


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (TOKENS.astype(np.int64), "x are int64; allowed: int32"),
        (TOKENS[0], r"x have shape \(7,\)"),
        (TOKENS + 1, "x: tokens 1 to 9; allowed: 0 to less than the vocabulary's 9"),
        (TOKENS[:, ::-1].copy(), "x: sample 0 begins with padding"),
        (TOKENS * (TOKENS != 5), "x: sample 0 has padding between tokens"),
        ((TOKENS > 0).astype(np.int32), "x: all texts are of one and the same token"),
    ],
)
def test_what_is_no_tokens_is_refused(tokens, message):
    with pytest.raises(ValueError, match=message):
        check.check("x", tokens, DETAILS)


def test_banking77_is_read_and_its_vocabulary_is_of_the_audited_texts_alone(tmp_path):
    published_archives.banking77(tmp_path)
    data = loaded(tmp_path, "banking77", vocabulary=300, length=24)
    assert data.train_inputs.shape == (160, 24)
    assert data.classes == ("card_arrival", "lost_card", "top_up")
    assert show.read(data.train_inputs[0], data.details) == "where, 0,\n is my card arrival?"
    assert not (data.train_inputs[:, -1] > 0).all()
    assert data.statistics["vocabulary"] == (300.0,)
    dataset.write(tmp_path / "d.safetensors", data)
    again = dataset.read(tmp_path / "d.safetensors")
    assert (again.sha256, again.details) == (data.sha256, data.details)
    few = loaded(tmp_path, "banking77", vocabulary=300, length=24, audit_samples=60)
    text = (tmp_path / "test.csv").read_text()
    (tmp_path / "test.csv").write_text(text.replace("Where", "Whither"))
    other = loaded(tmp_path, "banking77", vocabulary=300, length=24)
    assert other.details == data.details != few.details
    assert (other.test_inputs != data.test_inputs).any()


def test_texts_of_ones_own_are_split_by_the_seed(tmp_path):
    path = written(tmp_path / "own.csv", [f"the number {number * 7}" for number in range(50)])
    data = loaded(path, vocabulary=280, length=20)
    assert (len(data.train_inputs), len(data.test_inputs)) == (40, 10)
    assert data.classes == ("no", "yes")
    table = pa.table({"text": [f"the number {n * 7}" for n in range(50)], "label": [1, 0] * 25})
    pq.write_table(table, tmp_path / "own.parquet")
    same = loaded(tmp_path / "own.parquet", vocabulary=280, length=20, classes=["no", "yes"])
    np.testing.assert_array_equal(same.train_inputs, data.train_inputs)
    np.testing.assert_array_equal(same.train_labels, data.train_labels)


@pytest.mark.parametrize(
    ("texts", "settings", "message"),
    [
        (["a b", " ", "c d", "e"], {}, r"own\.csv, row 2: column 'text': the text is empty"),
        (
            ["a", "b", "x y " * 40, "c"],
            {"length": 16},
            r"row 3: a text of \d+ tokens; allowed: up to datasets\.t\.length, 16, or "
            r"datasets\.t\.truncate: true",
        ),
        (["a", "a", "a", "a", "a", "a"], {}, "all texts are of one and the same token"),
    ],
)
def test_bad_texts_are_named_by_file_row_and_column(tmp_path, texts, settings, message):
    path = written(tmp_path / "own.csv", texts)
    with pytest.raises(ValueError, match=message):
        loaded(path, test_fraction=0.5, **settings)


def test_a_long_text_is_cut_where_that_is_asked_for(tmp_path):
    path = written(tmp_path / "own.csv", ["a b", "c d", "x y " * 40, "e f"])
    data = loaded(path, test_fraction=0.5, length=16, truncate=True)
    assert "1 texts cut after 16 tokens" in data.source
    assert ((data.train_inputs > 0).sum(1) <= 16).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,kind\na,b\n", "it has text, kind; give label_column, the column of labels"),
        (
            "words,label\na,b\nc,d\ne,f\ng,h\n",
            "it has words; give text_column, the column of texts",
        ),
        ("text,label\na,\nb,x\n", "row 1: column 'label': the label is missing"),
        ("text,label\na,x\nb,x\nc,x\nd,x\n", "1 class; a classifier needs at least 2"),
        ("text,label\n", "no rows"),
        ("text,label,text\na,x,b\n", "column 'text' is there 2 times"),
        ("text,label\na,x,b\n", "not a readable CSV file"),
    ],
)
def test_bad_files_are_named(tmp_path, content, message):
    (tmp_path / "own.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        loaded(tmp_path / "own.csv", test_fraction=0.5)
