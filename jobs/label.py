"""Label recordings on a Ray cluster.

ray job submit --address http://HEAD:8265 --working-dir . -- python jobs/label.py s3://bucket/calls -o s3://bucket/labels.csv

Takes the arguments of `emosense-batch label`, and runs on the cluster that it is submitted to.
"""

from emosense.cli.main import main

if __name__ == "__main__":
    main(["label", "--progress", "plain"])
