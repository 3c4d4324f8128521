"""A table of labels -> a page: the emotions in the recordings, their confidence, and the errors.

Table -> `read_labels` -> `count_labels` -> figures and tables -> `write_page`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from emosense.progress import plural
from emosense.reports import choice_section, clips, label_sections, page, quality_section
from emosense.reports.figure import Figure
from emosense.reports.label_table import read_labels, read_own_emotions
from emosense.reports.manifest import read_manifest
from emosense.reports.markup import Markup
from emosense.reports.number_text import count, decimal, percent, seconds
from emosense.reports.purpose import purpose
from emosense.reports.segment_table import read_segments
from emosense.reports.segment_tally import tally_segments
from emosense.reports.table import Table
from emosense.reports.tally import Tally, count_labels
from emosense.reports.timeline_script import SCRIPT
from emosense.reports.timeline_sections import sections, speech_figure
from emosense.storage.locations import redact


def label_report(
    table_path: str, manifest_path: str | None, output: str, segments_path: str | None = None, *, command: str = ""
) -> tuple[Figure | Table, ...]:
    """Write a report of a table of labels as one HTML file.

    Parameters
    ----------
    table_path : str
        Location of the table: .csv, .parquet or .jsonl.
    manifest_path : str or None
        Location of the run's manifest, ``<table>.run.json``; None leaves out the section about the run.
    output : str
        Location of the page, ending in .html. It plays recordings on this machine from where they are.
    segments_path : str, optional
        Location of the table of segments of the same run; the page then has their timelines.
    command : str, optional
        The command that makes the page, to be stated in it.

    Returns
    -------
    tuple of Figure or Table
        For `emosense.reports.save_figures`.

    Raises
    ------
    UsageError
        If the table or the manifest is missing or invalid.
    OutputError
        If the page cannot be written.
    """
    page.check_output(output)
    manifest = None if manifest_path is None else read_manifest(manifest_path)
    own = read_own_emotions(table_path)
    tally = count_labels(read_labels(table_path, own), own)
    items: list[Figure | Table] = []
    # Where most of the speech is in long recordings, how much of it there is says more than how many recordings.
    counts = manifest["counts"] if manifest else {}
    speech_s = counts["speech_s"] if counts.get("counts_time") else {}
    blocks = [_key_values(tally, speech_s) if tally.n != 1 else _single_values(tally)]
    if manifest and manifest["counts"]["recordings"] != tally.n_recordings:
        blocks.append(page.warning(_mismatch(manifest, tally)))
    elif manifest and manifest["counts"].get("listed", 0) > tally.n_recordings:
        blocks.append(page.warning(_cut_off(manifest, tally)))
    if speech_s:
        items.append(speech_figure(speech_s, "each segment counted with its own label"))
        blocks.append(page.section("Speech", page.figures(items)))
    script = ""
    if segments_path is not None:
        blocks += sections(tally_segments(read_segments(segments_path)), output)
        script = SCRIPT
    # Of a single row, the key values have said everything.
    blocks += [label_sections.emotions(tally, items)] if sum(tally.by_emotion) and tally.n > 1 else []
    blocks += label_sections.groups(tally, items)
    blocks += [label_sections.durations(tally, items)] if len(tally.durations) > 1 else []
    blocks += quality_section.quality(tally, items)
    blocks += clips.certainty(tally, output)
    blocks += choice_section.recordings_to_label(tally, table_path, output)
    blocks += clips.errors(tally, items)
    blocks.append(purpose(manifest["model"] if manifest else {}))
    if manifest:
        blocks.append(_run(manifest, tally))
    heading = f"Emotions in {plural(tally.n_recordings, 'recording')}"
    subtitle = f"Label report of {redact(table_path)}"
    page.write_page(output, heading, subtitle, blocks, command=command, script=script)
    return tuple(items)


def _mismatch(manifest: dict[str, Any], tally: Tally) -> str:
    return (
        f"The manifest counts {plural(manifest['counts']['recordings'], 'recording')} and the table has "
        f"{count(tally.n_recordings)}: they are from different runs, or the table was changed afterwards."
    )


def _cut_off(manifest: dict[str, Any], tally: Tally) -> str:
    return (
        f"The table is incomplete: it holds {count(tally.n_recordings)} of the {count(manifest['counts']['listed'])} "
        "recordings in the inputs, because --max-errors stopped the run."
    )


def _key_values(tally: Tally, speech_s: Mapping[str, float]) -> Markup:
    n_labelled, n_errors = sum(tally.by_emotion), tally.by_status["error"]
    durations = tally.duration_s()
    of_channels = f"with {plural(tally.n, 'channel')}, each labelled" if tally.n > tally.n_recordings else ""
    items = [
        ("recordings", count(tally.n_recordings), of_channels),
        ("with an emotion", count(n_labelled), f"{percent(n_labelled / tally.n)} of all" if tally.n else ""),
        ("partly decoded", count(tally.by_status["partial"]), "labelled on the part that could be decoded"),
        ("errors", count(n_errors), f"{percent(n_errors / tally.n)} of all" if tally.n else ""),
        ("audio", seconds(float(durations.sum())), f"in {plural(len(durations), 'recording')}"),
    ]
    if speech_s:
        emotion = max(speech_s, key=lambda name: speech_s[name])
        items.append(("most of the speech", emotion, percent(speech_s[emotion] / sum(speech_s.values()))))
    elif n_labelled:
        most = int(np.argmax(tally.by_emotion))
        items.append(("most frequent", tally.emotions[most], percent(tally.by_emotion[most] / n_labelled)))
    if n_labelled:
        items.append(("median confidence", decimal(float(np.median(tally.confidence()))), ""))
    if tally.n_unfamiliar:
        share = f"{percent(tally.n_unfamiliar / n_labelled)}, unlike the training data: expect more wrong labels"
        items.append(("unfamiliar", count(tally.n_unfamiliar), share))
    if tally.n_several:
        share = f"of {count(tally.n_several)} with several windows: most of the speech has another label"
        items.append(("mixed", count(tally.n_mixed), share))
    if tally.n_uncertain:
        items.append(("marked uncertain", count(tally.n_uncertain), "below the confidence threshold of the run"))
    return page.key_values(items)


def _single_values(tally: Tally) -> Markup:
    """Return what there is to say of a single row: shares and medians would repeat it."""
    outcome = "no label" if tally.by_status["error"] else "labelled in part"
    items = [(f"error: {code}", outcome, "") for code in tally.errors]
    for row in tally.most:
        items.append(("emotion", row.emotion, "unlike the training data: it may be wrong" if row.is_unfamiliar else ""))
        remarks = {
            "below the confidence threshold of the run": row.is_uncertain,
            "most of the speech has another label": tally.n_mixed,
        }
        remark = "; ".join(text for text, is_so in remarks.items() if is_so)
        items.append(("confidence", decimal(row.confidence), remark))
    items += [("audio", seconds(float(duration_s)), "") for duration_s in tally.duration_s()]
    return page.key_values(items)


def _engine(manifest: dict[str, Any]) -> str:
    name = str(manifest.get("engine", ""))
    return "none: all recordings were labelled by earlier runs" if name == "none" else name


# Values of parameters that change nothing; 0 stands for the model's own.
_NOT_SET: Final = (None, False, 0, "none")


def _run(manifest: dict[str, Any], tally: Tally) -> Markup:
    """Tabulate the manifest of the run."""
    model, versions, counts = manifest["model"], manifest["versions"], manifest["counts"]
    parameters = manifest.get("parameters", {})
    elapsed_s, n_new = manifest.get("elapsed_s", 0.0), counts["recordings"] - counts.get("reused", 0)
    rows = [
        ("model", str(model["name"])), ("model SHA-256", str(model.get("sha256", ""))),
        ("finished", str(manifest.get("finished", ""))), ("engine", _engine(manifest)),
        ("inputs", ", ".join(map(str, manifest.get("inputs", ())))),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("parameters", ", ".join(f"{key} {value}" for key, value in parameters.items() if value not in _NOT_SET)),
        ("reused from earlier runs", count(counts.get("reused", 0))),
        ("elapsed", seconds(elapsed_s)),
    ]  # fmt: skip
    if elapsed_s and n_new:
        rows.append(("rate", f"{n_new / elapsed_s:,.1f} recordings per second"))
        decoded_s = sum(tally.decoded_ms) / 1000
        if decoded_s and not counts.get("reused"):
            rows.append(("speed", f"{decoded_s / elapsed_s:,.0f} times real time"))
    for reason, n in counts.get("ignored", {}).items():
        rows.append((f"skipped: {reason}", count(n)))
    rows.append(("exit code", str(manifest.get("exit_code", ""))))
    return page.section("The run", Table("run", "From the run manifest", ("setting", "value"), rows, n_words=1).html())
