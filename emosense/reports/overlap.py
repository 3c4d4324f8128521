"""A feature table -> a figure of how much the emotions overlap in the features that separate them best."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.emotions import EMOTIONS
from emosense.errors import UsageError
from emosense.reports.axis_charts import densities
from emosense.reports.drawing import Series
from emosense.reports.figure import Figure
from emosense.reports.number_text import percent
from emosense.storage.locations import redact

Float64 = NDArray[np.float64]

N_FEATURES: Final = 6
_N_POINTS: Final = 121
_MIN_ROWS: Final = 3
# How far the mean of skewed values is above their median; of an exponential distribution, it is 1.44 times the median.
_SKEWED: Final = 1.5


def feature_overlap(feature_table_path: str, emotions: Sequence[str] = EMOTIONS) -> Figure:
    """Draw the features with the largest effect of emotion as densities by emotion.

    Parameters
    ----------
    feature_table_path : str
        Location of a table that `emosense-batch features` wrote; of a feature sequence the mean over time is used.
    emotions : sequence of str, optional
        Emotions to show; those with fewer than 3 recordings are left out.

    Returns
    -------
    Figure
        Each panel states the share of variance between emotions, and the overlap averaged over pairs of emotions.

    Raises
    ------
    UsageError
        If the file is not a feature table, or has fewer than two of the emotions.
    """
    from emosense.features.sets import FEATURE_SETS
    from emosense.training.features.table_file import read_feature_table

    table = read_feature_table(feature_table_path)
    labels = np.array(table.emotions)
    present = [name for name in EMOTIONS if name in emotions and int((labels == name).sum()) >= _MIN_ROWS]
    if len(present) < 2:
        raise UsageError(f"{redact(feature_table_path)} has fewer than two emotions with {_MIN_ROWS} recordings")
    values = np.stack([row if row.ndim == 1 else row.mean(axis=0) for row in table.features]).astype(np.float64)
    groups = [values[labels == name] for name in present]
    effect = between_share(groups)
    best = np.argsort(-effect, kind="stable")[:N_FEATURES]
    names = FEATURE_SETS[table.config.set].names(table.config)
    panels, overlaps = [], []
    for column in best.tolist():
        drawn, is_log = _unskewed([group[:, column] for group in groups])
        x, curves = _curves(drawn)
        overlaps.append(mean_overlap(x, curves))
        note = f"effect {percent(effect[column])}, overlap {percent(overlaps[-1])}"
        series = [Series(name, name, curve.tolist()) for name, curve in zip(present, curves, strict=True)]
        panels.append((names[column] + (" (log)" if is_log else ""), note, x.tolist(), series))
    caption = (
        f"In {names[best[0]]}, where emotion explains {percent(effect[best[0]])} of the variance, two emotions overlap "
        f"by {percent(overlaps[0])} on average; over the {len(panels)} features by "
        f"{percent(float(np.mean(overlaps)))}."
    )
    return Figure("feature-overlap", "Features by emotion", caption, densities(panels))


def between_share(groups: Sequence[Float64]) -> Float64:
    """Return the share of each feature's variance that lies between the groups (eta squared), in [0, 1].

    Parameters
    ----------
    groups : sequence of ndarray, each shape (n_rows, n_features)

    Returns
    -------
    ndarray, shape (n_features,)
        One share per feature; 0 for a constant feature.
    """
    everything = np.concatenate(groups)
    grand_mean = everything.mean(axis=0)
    between = sum(len(group) * (group.mean(axis=0) - grand_mean) ** 2 for group in groups)
    total = ((everything - grand_mean) ** 2).sum(axis=0)
    return np.asarray(np.divide(between, total, out=np.zeros_like(total), where=total > 0))


def _unskewed(groups: Sequence[Float64]) -> tuple[Sequence[Float64], bool]:
    """Return the values of one feature, or their logarithms where a few are far above all others, such as energies."""
    everything = np.concatenate(groups)
    is_log = bool(everything.min() > 0 and everything.mean() > _SKEWED * np.median(everything))
    return ([np.log10(group) for group in groups] if is_log else groups), is_log


def _curves(groups: Sequence[Float64]) -> tuple[Float64, list[Float64]]:
    """Return x values and the density of each group at them.

    A Gaussian kernel with Silverman's bandwidth (1986, equation 3.31), 0.9 min(sd, IQR / 1.34) n^(-1/5).
    """
    widths = []
    for group in groups:
        low, high = np.quantile(group, [0.25, 0.75])
        spread = min(float(group.std(ddof=1)), float(high - low) / 1.34) or float(group.std(ddof=1))
        widths.append(0.9 * spread * len(group) ** -0.2)
    # A group of equal values has a spread of zero.
    floor = max(max(widths) * 0.05, 1e-12)
    widths = [max(width, floor) for width in widths]
    everything = np.concatenate(groups)
    margin = 3 * max(widths)
    x = np.linspace(everything.min() - margin, everything.max() + margin, _N_POINTS)
    curves = []
    for group, width in zip(groups, widths, strict=True):
        kernels = np.exp(-0.5 * ((x[:, np.newaxis] - group) / width) ** 2)
        curve = kernels.sum(axis=1)
        curves.append(curve / np.trapezoid(curve, x))
    return x, curves


def mean_overlap(x: Float64, curves: Sequence[Float64]) -> float:
    """Return the area that two densities share, averaged over pairs, in [0, 1] (Inman & Bradley 1989).

    Parameters
    ----------
    x : ndarray, shape (n_points,)
        Positions.
    curves : sequence of ndarray, each shape (n_points,)
        Densities at these positions.

    Returns
    -------
    float
        The mean overlap.
    """
    shared = [float(np.trapezoid(np.minimum(a, b), x)) for a, b in itertools.combinations(curves, 2)]
    return float(np.mean(shared))
