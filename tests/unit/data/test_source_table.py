"""Tables of one's own: numbers, categories, missing values, and what is refused."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from ptq_privacy.data.preparation import prepare

AGES = [20.0 + number for number in range(20)]
CITIES = ["Ulm", "Bern"] * 10


def loaded(path, **settings):
    return prepare({"name": "t", "source": "table", "path": str(path), **settings})


def written(path, **columns):
    table = pa.table({"age": AGES, "city": CITIES, "label": ["no", "yes"] * 10} | columns)
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pq.write_table(table, path)
    return path


@pytest.mark.parametrize("name", ["own.csv", "own.parquet"])
def test_numbers_and_categories_become_features(tmp_path, name):
    path = written(tmp_path / name)
    data = loaded(path, categories=["city"])
    assert data.kind == "rows"
    assert data.details == {"features": ["age", "city = Bern", "city = Ulm"]}
    assert data.classes == ("no", "yes")
    rows = np.concatenate([data.train_inputs, data.test_inputs])
    assert len(data.test_inputs) == 4
    assert sorted(rows[:, 0]) == AGES
    for row in rows:  # of even ages are Ulm
        assert row[1:].tolist() == ([0, 1] if row[0] % 2 == 0 else [1, 0])


def test_a_column_that_is_no_feature_is_left_out(tmp_path):
    data = loaded(written(tmp_path / "own.csv"), leave_out=["city"])
    assert data.details == {"features": ["age"]}
    assert "left out: city" in data.source


def test_what_is_learned_is_of_the_audited_rows_alone_and_what_they_lack_is_other(tmp_path):
    written(tmp_path / "train.csv", age=[None, *AGES[1:]])
    written(tmp_path / "test.csv", city=["Graz", *CITIES[1:]], age=[None, *AGES[1:]])
    data = loaded(tmp_path, categories=["city"], missing="impute")
    assert data.details["features"] == ["age", "age is missing", "city = Bern", "city = Ulm"]
    mean = np.float32(np.mean(AGES[1:]))
    assert data.train_inputs[0].tolist() == [mean, 1, 0, 1]
    assert data.test_inputs[0].tolist() == [mean, 1, 0, 0]
    assert "column age: 2 missing values, the mean 30 in place" in data.source
    assert "column city: 1 test rows of a category unseen in the audited ones" in data.source


def test_a_missing_category_is_a_feature_of_its_own(tmp_path):
    path = written(tmp_path / "own.csv", city=["", "n"] * 10)
    data = loaded(path, categories=["city"], missing="impute")
    assert data.details["features"] == ["age", "city = n", "city is missing"]


def test_audited_rows_are_drawn_before_anything_is_learned(tmp_path):
    cities = ["Ulm", "Bern"] * 9 + ["Graz", "Wien"]
    path = written(tmp_path / "own.csv", city=cities)
    few = loaded(path, categories=["city"], audit_samples=4)
    assert (len(few.train_inputs), len(few.test_inputs)) == (4, 4)
    assert len(few.details["features"]) < len(loaded(path, categories=["city"]).details["features"])


@pytest.mark.parametrize("name", ["own.csv", "own.parquet"])
@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        (
            {"age": ["1", "2", "three", *map(str, range(17))]},
            {},
            "row 3: column 'age': 'three' is no number; allowed: numbers, or the column's name in ",
        ),
        ({}, {}, r"row \d+: column 'city': '(Ulm|Bern)' is no number"),
        (
            {"age": [*AGES[:4], None, *AGES[5:]]},
            {"categories": ["city"]},
            "row 5: column 'age': a value is missing; with missing: impute, the mean of",
        ),
        ({"age": [None] * 20}, {"missing": "impute", "leave_out": ["city"]}, "no audited row has"),
        ({"age": [1e39] * 20}, {"leave_out": ["city"]}, r"column 'age': 1e\+39 is beyond float32"),
        ({}, {"categories": ["town"]}, "categories: no column 'town' beside the labels; there are"),
        ({}, {"leave_out": ["age", "city"]}, "no columns beside the labels"),
        ({"city": list(map(str, range(20)))}, {"categories": ["city"]}, "16 categories in 16 audi"),
        ({"age": [1.0] * 20}, {"leave_out": ["city"]}, "all rows are the same"),
    ],
)
def test_bad_tables_are_named_by_file_row_and_column(tmp_path, name, columns, settings, message):
    path = written(tmp_path / name, **columns)
    with pytest.raises(ValueError, match=message):
        # In the order of the file, so that the first that is wrong is known.
        loaded(path, **settings)


def test_columns_must_be_those_of_the_first_file(tmp_path):
    written(tmp_path / "train.csv")
    written(tmp_path / "test.csv", town=CITIES)
    with pytest.raises(ValueError, match=r"test\.csv: not the columns of .*train\.csv: 'town' is "):
        loaded(tmp_path, categories=["city"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("age,kind\n1,a\n2,b\n", r"own\.csv: .*it has age, kind; give label_column"),
        ("age,label\n1,\n2,b\n", r"own\.csv, row 1: column 'label': the label is missing"),
        ("age,label\n1,a\n2,a\n3,a\n4,a\n", "data set 't': 1 class; a classifier needs at least 2"),
    ],
)
def test_labels_that_are_none_are_named(tmp_path, content, message):
    (tmp_path / "own.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        loaded(tmp_path / "own.csv", test_fraction=0.5)
