"""Train a transfer model on a Ray cluster.

ray job submit --address http://HEAD:8265 --working-dir . -- \
    python jobs/train_transfer.py s3://bucket/ravdess s3://bucket/calls.csv -o s3://bucket/transfer

Takes the arguments of `emosense-batch train transfer`.
"""

from emosense.cli.main import main

if __name__ == "__main__":
    main(["train", "transfer", "--progress", "plain"])
