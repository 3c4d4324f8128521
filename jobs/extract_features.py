"""Extract features on a Ray cluster.

ray job submit --address http://HEAD:8265 --working-dir . -- \
    python jobs/extract_features.py s3://bucket/ravdess -o s3://bucket/logmel.parquet --set logmel

Takes the arguments of `emosense-batch features`.
"""

from emosense.cli.main import main

if __name__ == "__main__":
    main(["features", "--progress", "plain"])
