"""How much emotions overlap in features."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from made_pages import evaluation_page, feature_table, made_evaluation

from emosense.errors import UsageError
from emosense.reports import feature_overlap


def test_the_overlap_of_two_normal_densities_agrees_with_theory(tmp_path: Path) -> None:
    figure = feature_overlap(feature_table(tmp_path / "f.parquet", 2.0))
    # Inman & Bradley 1989: 2 Phi(-d / 2); effect d^2 / (d^2 + 4) for two classes of equal size.
    overlap, effect = (
        float(text) for text in re.findall(r"effect ([\d.]+).%, overlap ([\d.]+).%", figure.drawing.body)[0][::-1]
    )
    assert overlap == pytest.approx(100 * (1 + math.erf(-1 / math.sqrt(2))), abs=4)
    assert effect == pytest.approx(50, abs=4)
    assert figure.caption.startswith("In mfcc_7, where emotion explains")
    assert figure.drawing.body.count("<polyline") == 12


def test_a_feature_with_a_few_large_values_is_drawn_by_its_logarithm(tmp_path: Path) -> None:
    figure = feature_overlap(feature_table(tmp_path / "f.parquet", 2.0, is_skewed=True))
    overlap = re.findall(r"mfcc_7 \(log\)<.*?overlap ([\d.]+).%", figure.drawing.body)
    # The logarithm of a log-normal value is normal: the overlap is that of the test above.
    assert float(overlap[0]) == pytest.approx(100 * (1 + math.erf(-1 / math.sqrt(2))), abs=4)
    assert figure.drawing.body.count("(log)</text>") == 1


def test_an_overlap_needs_a_feature_table_with_two_emotions(tmp_path: Path) -> None:
    table = feature_table(tmp_path / "f.parquet", 1.0)
    with pytest.raises(UsageError, match="fewer than two emotions"):
        feature_overlap(table, ("calm", "happy"))
    with pytest.raises(UsageError, match=r"is (no|not a) feature table"):
        feature_overlap(str(tmp_path / "none.parquet"))


def test_an_evaluation_report_can_show_the_overlap(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", ("calm", "angry"), n_seeds=1)
    page = evaluation_page(made, feature_table(tmp_path / "f.parquet", 1.0))
    assert "mfcc_7" in page.texts["feature-overlap"]
