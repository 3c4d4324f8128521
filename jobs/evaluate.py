"""Cross-validate a model family on a Ray cluster: each network of each fold and seed is a task.

ray job submit --address http://HEAD:8265 --working-dir . -- \
    python jobs/evaluate.py s3://bucket/ravdess --kind cnn --protocol lj5 --seeds 3 -o s3://bucket/evaluation

Takes the arguments of `emosense-batch evaluate`.
"""

from emosense.cli.main import main

if __name__ == "__main__":
    main(["evaluate", "--progress", "plain"])
