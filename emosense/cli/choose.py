"""`emosense-batch choose`."""

from __future__ import annotations

from typing import Annotated

import typer

from emosense.cli.options import Quiet, Root, print_message


def choose(
    table: Annotated[str, typer.Argument(help="Table of labels that label wrote: .csv, .parquet or .jsonl.")],
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="TABLE", help="Table to fill in, .csv.")
    ] = "to-label.csv",
    n: Annotated[int, typer.Option("-n", "--n", min=1, metavar="N", help="How many recordings to choose.")] = 40,
    speakers: Annotated[
        str | None,
        typer.Option(
            metavar="RULE", help="How the speaker is found, as for label; default: the column speaker of the table."
        ),
    ] = None,
    without: Annotated[
        str | None,
        typer.Option(metavar="TABLE", help="Leave out the recordings of this table, which you labelled before."),
    ] = None,
    root: Root = "",
    quiet: Quiet = False,
) -> None:
    """Choose the recordings whose labels would help a model most. Listen to them and fill in the table.

    Give the table that you filled in to adapt.
    """
    from emosense.labelling.choice import check_choice_output, choose_recordings, labelled_locations, write_choice
    from emosense.labelling.speaker_names import SpeakerNames
    from emosense.labelling.speaker_rule import SpeakerRule
    from emosense.progress import plural

    check_choice_output(output)
    chosen = choose_recordings(table, n, labelled_locations(without, root) if without else ())
    if speakers is None:
        write_choice(chosen, output)
    else:
        with SpeakerNames(SpeakerRule(speakers, root)) as found:
            write_choice(chosen, output, found)
    if not quiet:
        print_message(f"{output}: {plural(len(chosen), 'recording')} to listen to; fill in the column emotion")
        print_message(f"then: emosense-batch adapt {output} -o models/mine")
