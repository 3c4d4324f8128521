"""Train the CNN on a Ray cluster, data-parallel, with checkpoints in object storage.

ray job submit --address http://HEAD:8265 --working-dir . -- \
    python jobs/train_cnn.py s3://bucket/ravdess -o s3://bucket/cnn --train-workers 4 --storage s3://bucket/checkpoints

Takes the arguments of `emosense-batch train cnn`.
"""

from emosense.cli.main import main

if __name__ == "__main__":
    main(["train", "cnn", "--progress", "plain"])
