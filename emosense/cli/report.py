"""`emosense-batch report`: labels or evaluations as an HTML page."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from emosense.cli.options import command_text, print_message


def report(
    source: Annotated[str, typer.Argument(help="A table of labels or of segments, or a folder written by evaluate.")],
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="HTML file to write; default: next to the source."),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(metavar="FOLDER", help="Compare with this evaluation; repeatable, for three side by side."),
    ] = None,
    features: Annotated[
        str | None, typer.Option(metavar="TABLE", help="Feature table: show how far the emotions overlap in it.")
    ] = None,
    figures: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Also save each figure as a file in this folder, and each table as Markdown and LaTeX.",
        ),
    ] = None,
    figure_format: Annotated[
        list[str] | None,
        typer.Option(
            metavar="svg|png|pdf", help="Format of the figures: svg, png or pdf, 85 mm wide; repeatable; default: svg."
        ),
    ] = None,
    png: Annotated[bool, typer.Option("--png", hidden=True)] = False,
) -> None:
    """Write a report of labels or evaluations as one HTML page."""
    from emosense.errors import UsageError
    from emosense.reports import comparison_report, evaluation_report, label_report, save_figures, segment_report
    from emosense.reports.figure import check_figure_formats
    from emosense.reports.segment_table import is_segment_table
    from emosense.storage.folders import exists
    from emosense.storage.locations import join
    from emosense.tables.data_set import data_files

    if png:
        raise UsageError("a report is a page; for pictures of its figures: --figures FOLDER --figure-format png")
    is_table = source.lower().endswith((".csv", ".parquet", ".jsonl")) or bool(data_files(source))
    if figure_format and figures is None:
        raise UsageError("--figure-format needs --figures FOLDER")
    formats = figure_format or ["svg"]
    check_figure_formats(formats)
    if features is not None and (is_table or compare):
        raise UsageError("--features is only for the report of one evaluation: leave it out")
    page = output or (f"{os.path.splitext(source.rstrip('/'))[0]}.html" if is_table else join(source, "report.html"))
    command = command_text()
    if compare:
        in_page = comparison_report([source, *compare], page, command=command)
    elif is_table:
        manifest = f"{source}.run.json"
        if is_segment_table(source):
            in_page = segment_report(source, page, command=command)
        else:
            in_page = label_report(source, manifest if exists(manifest) else None, page, command=command)
    else:
        in_page = evaluation_report(source, page, features, command=command)
    if figures is not None:
        save_figures(in_page, figures, formats)
    print_message(page)
