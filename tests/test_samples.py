"""The first command of the README says what samples/README.md promises."""

from __future__ import annotations

import re

from conftest import REPOSITORY

import emosense

ROW = re.compile(r"^\| `([^`]+)` \| [^|]+ \| (\w+) \| (\.\d\d) \|$", re.MULTILINE)


def test_the_labels_of_the_samples_are_those_that_their_page_states() -> None:
    promised = ROW.findall((REPOSITORY / "samples" / "README.md").read_text())
    assert len(promised) == 6
    rows = emosense.label([str(REPOSITORY / "samples" / name) for name, _, _ in promised])
    found = [(row.emotion, f"{row.confidence:.2f}".lstrip("0")) for row in rows]
    assert found == [(emotion, confidence) for _, emotion, confidence in promised]
