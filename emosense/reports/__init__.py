"""Results -> pages for people to read: one HTML file each, with figures that can be saved as files."""

from emosense.reports.comparison import comparison_report
from emosense.reports.evaluation import evaluation_report
from emosense.reports.figure import Figure, save_figures
from emosense.reports.labels import label_report
from emosense.reports.overlap import feature_overlap
from emosense.reports.segments import segment_report
from emosense.reports.table import Table

__all__ = [
    "Figure",
    "Table",
    "comparison_report",
    "evaluation_report",
    "feature_overlap",
    "label_report",
    "save_figures",
    "segment_report",
]
