"""YAML and JSON as they are written: nothing is said twice, and what is wrong has its line."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ptq_privacy.study import strict_yaml


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' is there twice, first in line 1"),
        ("a:\n  b: 1\n  c: 2\n  b: 1\n", "line 4: the key 'b' is there twice, first in line 2"),
        ("a: [1, {b: 1, b: 2}]", "line 1: the key 'b' is there twice, first in line 1"),
        ("- x\n- a: 1\n  'a': 2\n", "line 3: the key 'a' is there twice, first in line 2"),
        ("1: a\n0x1: b\n", "line 2: the key 1 is there twice, first in line 1"),
        ("true: a\nyes: b\n", "line 2: the key True is there twice, first in line 1"),
        ("x: &x {a: 1}\ny:\n  <<: *x\n  <<: *x\n", "line 4: the key '<<' is there twice, first in"),
        ("b: {c: 1,\n  c: 2}\nb: 3", "line 3: the key 'b' is there twice, first in line 1"),
        ('{"a": 1,\n "b": {"c": 1,\n\t"c": 2}}', "line 3: the key 'c' is there twice, first in li"),
        ('{"a":1,"\\u0061":2}', "line 1: the key 'a' is there twice, first in line 1"),
    ],
)
def test_a_key_that_is_there_twice_is_told_with_its_lines(text, told):
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        strict_yaml.parse(text, "file")
    assert str(caught.value).startswith(f"file: {told}")


@pytest.mark.parametrize(
    "text",
    [
        "x: &x {a: 1, b: 2}\ny: {<<: *x, a: 3}\nz: {<<: *x}\n",
        "y: &y {k: 0}\na: &a\n  <<: *y\n  k: 1\nb:\n  <<: *a\n",
        "a: {b: 1}\nc: {b: 1}\n",
        "'1': a\n1: b\n",
        "a: &a [1, *a]\n",
        "",
        "# nothing\n",
        "a: 2024-01-01\n",
    ],
)
def test_what_is_said_once_is_as_yaml_has_it(text):
    found, expected = strict_yaml.parse(text, "file"), yaml.safe_load(text)
    assert repr(found) == repr(expected)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(VALUES, st.sampled_from([None, 2, "\t"]))
def test_json_is_read_as_json(value, indent):
    """1e-3 is a number in it, and tabs may indent."""
    assert strict_yaml.parse(json.dumps(value, indent=indent), "file") == value
    assert strict_yaml.parse("[1e-3]", "file") == [0.001]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a:\n\tb: 1\n", "line 2: not YAML (while scanning for the next token found character"),
        (b"a: 1\nb: caf\xe9\n", "line 2: not UTF-8 text; save the file in that encoding"),
        ("a: 1\n".encode("utf-16"), "line 1: not UTF-8 text"),
        (b"a: [1\n", "line 2: not YAML (while parsing a flow sequence expected ',' or ']'"),
        (b"a: 1\n---\nb: 2\n", "line 2: not YAML (expected a single document in the stream but "),
        (b"a: \x00\n", "not YAML (unacceptable character #x0000"),
        (b"a: !!python/name:os.system\n", "line 1: not YAML (could not determine a constructor"),
        (b"a: *b\n", "line 1: not YAML (found undefined alias 'b')"),
        (b"{[a]: 1}\n", "line 1: not YAML (while constructing a mapping found unhashable key)"),
        (b"a: 2024-13-45\n", "not YAML (month must be in 1..12"),
        (b"a: " + 5000 * b"1", "not YAML (Exceeds the limit"),
        (5000 * b"[", "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_names_the_file(tmp_path, content, told):
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        strict_yaml.read(path)
    assert str(caught.value).startswith(f"{path}: {told}")


def test_tabs_are_explained(tmp_path):
    with pytest.raises(ValueError, match="indent by spaces, not by tabs"):
        strict_yaml.parse("a:\n\tb: 1\n", "file")


def test_a_file_that_is_not_there_and_a_folder_are_named(tmp_path):
    for path, told in ((tmp_path / "no.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ValueError, match=f"{path}: cannot be read: {told}"):
            strict_yaml.read(path)


def test_a_byte_order_mark_and_line_ends_of_windows_are_let_through(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert strict_yaml.read(path) == {"a": 1, "b": 2}
