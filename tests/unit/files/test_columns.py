"""Columns between numpy and pyarrow, without pandas: the same values as pyarrow's own ways give."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ptq_privacy.files.tables import to_arrow, to_numpy

KINDS = ["bool", "int8", "int16", "int32", "int64", "uint8", "float32", "float64"]


@settings(max_examples=50)
@given(
    hnp.arrays(st.sampled_from(KINDS), st.integers(0, 40)),
    st.lists(st.integers(0, 40), max_size=3).map(sorted),
)
def test_columns_in_pieces_are_as_pyarrow_has_them(values, cuts):
    array = to_arrow(values)
    array.validate(full=True)
    assert array.type == pa.array(values).type
    np.testing.assert_array_equal(array.to_numpy(zero_copy_only=False), values)
    pieces = [array[start:stop] for start, stop in zip([0, *cuts], [*cuts, None], strict=True)]
    for column in (array, pa.chunked_array(pieces), *pieces):
        found = to_numpy(column)
        expected = column.to_numpy(zero_copy_only=False)
        assert found.dtype == expected.dtype == values.dtype
        np.testing.assert_array_equal(found, expected)


def test_a_view_is_copied_in_its_order():
    values = np.arange(12, dtype=np.int32).reshape(3, 4)[:, 1]
    assert to_arrow(values).to_pylist() == [1, 5, 9]


@pytest.mark.parametrize("column", [["a", "bc"], [1, None], [1.5, None], []])
def test_text_and_gaps_are_as_pyarrow_has_them(column):
    array = pa.array(column)
    np.testing.assert_array_equal(to_numpy(array), array.to_numpy(zero_copy_only=False))
