"""Tables of text as people and programs write them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emosense.storage.text_table import text_encoding, text_table

KNOWN = ("path", "speaker")
ROWS = [{"path": "ü/a,b;c.wav", "speaker": "ann"}, {"path": "d.wav", "speaker": "ben"}]


def read(content: bytes) -> list[dict[str, str]]:
    with text_table(io.BytesIO(content), KNOWN) as table:
        return list(table)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separator_encoding_and_header_are_recognised(separator: str, encoding: str, end: str) -> None:
    lines = [f"PATH{separator}Speaker", f'"ü/a,b;c.wav"{separator}ann', "", f"d.wav{separator}ben"]
    if separator == "|":
        lines.insert(0, "sep=|")
    assert read(end.join(lines).encode(encoding)) == ROWS


def test_a_known_column_decides_where_a_header_can_be_split_in_two_ways() -> None:
    assert read(b"a,b;path\r\n1;x.wav\r\n") == [{"a,b": "1", "path": "x.wav"}]
    assert read(b"path\r\nx.wav\r\n") == [{"path": "x.wav"}]


def test_cells_that_a_spreadsheet_leaves_out_at_the_end_of_a_line_are_empty() -> None:
    assert read(b"path,speaker,error\r\na.wav\r\nb.wav,ann,,,\r\n,,\r\n") == [
        {"path": "a.wav", "speaker": "", "error": ""},
        {"path": "b.wav", "speaker": "ann", "error": ""},
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            b"path,speaker\r\na,b.wav,ann\r\n",
            "line 2 has more cells than the header: put quotes around text with a ','",
        ),
        (b"path,Path\r\n", "two columns are called 'path'"),
        (b"path\r\n\xff\r\n", "not UTF-8 text: save it as CSV UTF-8"),
        (b'path\r\n"unclosed.wav\r\nb.wav\r\n', "line 3: unexpected end of data"),
        (b'path\r\n"a.wav" and more\r\n', "line 2: ',' expected after '\"'"),
        (b'path\r\n"' + b"a\n" * 600_000, "field larger than field limit"),
    ],
)
def test_what_is_no_table_is_refused_with_the_line(content: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read(content)


def test_eight_gigabytes_of_zeros_are_refused_at_once(tmp_path: Path) -> None:
    with (tmp_path / "sparse.csv").open("w+b") as file:
        file.truncate(8 << 30)
        with pytest.raises(ValueError, match="line 1 has more than 1,048,576 characters"):
            text_table(file).__enter__()


@given(st.binary(max_size=60))
def test_bytes_of_any_kind_are_rows_or_a_value_error(content: bytes) -> None:
    try:
        rows = read(content)
    except ValueError:
        return
    assert all(isinstance(cell, str) for row in rows for cell in row.values())


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_the_encoding_of_a_text_is_found(text: str) -> None:
    assert ("a" + text).encode("utf-16").decode(text_encoding(b"\xff\xfe")) == "a" + text
    assert text_encoding(("a" + text).encode()[:2]) == "utf-8-sig"
