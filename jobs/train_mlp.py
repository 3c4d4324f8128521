"""Train the MLP on a Ray cluster.

ray job submit --address http://HEAD:8265 --working-dir . -- python jobs/train_mlp.py s3://bucket/ravdess -o s3://bucket/mlp

Takes the arguments of `emosense-batch train mlp`.
"""

from emosense.cli.main import main

if __name__ == "__main__":
    main(["train", "mlp", "--progress", "plain"])
