"""What every report of labels says about their use."""

from __future__ import annotations

from emosense.reports.purpose import purpose


def test_the_section_quotes_score_and_licence_of_the_model_and_the_law() -> None:
    score = {"protocol": "lj5", "n": 1200, "uar": 0.68, "accuracy": 0.687}
    section = str(purpose({"name": "tiny", "licence": "CC <0>", "score": score}))
    assert "the model tiny was right in 68.7" in section
    assert "On speakers who were not in its training data" in section
    assert "1,200 recordings (protocol lj5)" in section
    elsewhere = str(purpose({"name": "tiny", "score": score | {"protocol": "loco"}}))
    assert "On corpora that were not in its training data" in elsewhere
    assert "CC &lt;0&gt;" in section
    assert "Regulation (EU) 2024/1689, Article 5(1)(f)" in section


def test_without_a_manifest_the_section_has_neither() -> None:
    section = str(purpose({}))
    assert "was right in" not in section
    assert "Licence" not in section
    assert "Article 5(1)(f)" in section
