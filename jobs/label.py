"""Label recordings on a Ray cluster.

ray job submit --address http://HEAD:8265 --working-dir . -- python jobs/label.py s3://bucket/calls -o s3://bucket/labels.csv

Takes the arguments of `emosense-batch label`, and runs on the cluster that it is submitted to. A job whose table is
complete has succeeded, even if some of its rows are errors (exit code 3); `--max-errors 0` makes such a job fail.
"""

import sys

from emosense.cli.main import main
from emosense.errors import EXIT_ERROR_ROWS

if __name__ == "__main__":
    try:
        main(["label", "--progress", "plain"])
    except SystemExit as end:
        sys.exit(0 if end.code == EXIT_ERROR_ROWS else end.code)
