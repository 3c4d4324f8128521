"""Label recordings on a cluster.

ray job submit --address http://HEAD:8265 --working-dir . -- python jobs/label.py s3://bucket/calls -o s3://bucket/labels.csv

Takes the arguments of `emosense-batch label`; the cluster is the one that runs the job.
"""

from emosense.cli.main import main

if __name__ == "__main__":
    main(["label", "--progress", "plain"])
