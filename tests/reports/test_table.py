"""Tables as files for papers."""

from __future__ import annotations

from pathlib import Path

from made_pages import made_evaluation

from emosense.reports import evaluation_report, save_figures
from emosense.reports.table import Table

TABLE = Table(
    "scores", "Scores at 5 % | of A_1", ("model", "UAR", "note"),
    [("a|b", "71.1\N{NO-BREAK SPACE}% \N{PLUS-MINUS SIGN} 0.8", "1 & 2"), ("c_d", "\N{MINUS SIGN}2.0", "{x}\\y")],
    n_words=1,
)  # fmt: skip


def test_a_table_is_markdown_whose_cells_stay_cells() -> None:
    assert TABLE.markdown().splitlines() == [
        "Scores at 5 % \\| of A\\_1",
        "",
        "| model | UAR | note |",
        "| --- | ---: | --- |",
        "| a\\|b | 71.1\N{NO-BREAK SPACE}% \N{PLUS-MINUS SIGN} 0.8 | 1 & 2 |",
        "| c\\_d | \N{MINUS SIGN}2.0 | {x}\\\\y |",
    ]


def test_a_table_is_latex_without_a_command_of_the_data() -> None:
    assert TABLE.latex().splitlines() == [
        "% \\usepackage{booktabs}",
        "\\begin{table}",
        "\\centering",
        "\\caption{Scores at 5 \\% | of A\\_1}",
        "\\label{tab:scores}",
        "\\begin{tabular}{lrl}",
        "\\toprule",
        "model & UAR & note \\\\",
        "\\midrule",
        "a|b & 71.1~\\% $\\pm$ 0.8 & 1 \\& 2 \\\\",
        "c\\_d & $-$2.0 & \\{x\\}\\textbackslash{}y \\\\",
        "\\bottomrule",
        "\\end{tabular}",
        "\\end{table}",
    ]


def test_the_tables_of_a_page_are_saved_beside_its_figures(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", n_seeds=1)
    save_figures(evaluation_report(str(made.folder), str(tmp_path / "r.html")), str(tmp_path / "f"))
    for name in ("emotions-table", "actor-table", "sex-table", "fold-table", "adaptation-table"):
        assert (tmp_path / "f" / f"{name}.md").read_text().count("\n|") > 2
        assert "\\toprule" in (tmp_path / "f" / f"{name}.tex").read_text()
