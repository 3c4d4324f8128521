#!/bin/bash
# Label a list of recordings with Slurm, without Ray: each task of the array labels its share and writes a table of its own.
#
#   find "$PWD/recordings" -type f > list.txt
#   sbatch --array=0-15 deploy/slurm.sh list.txt labels
#
# The tables labels/0.parquet, labels/1.parquet ... together have one row per line of the list. After a stop, submit it again with the same
# --array: each task resumes. docs/cluster.md has more.
#SBATCH --job-name=emosense
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=04:00:00
#SBATCH --requeue
set -euo pipefail
list=$1 folder=$2
task=${SLURM_ARRAY_TASK_ID:?submit it with sbatch --array=0-N}
mkdir -p "$folder"
awk -v n="$SLURM_ARRAY_TASK_COUNT" -v k="$((task - $SLURM_ARRAY_TASK_MIN))" 'NR % n == k' "$list" |
  emosense-batch label - -o "$folder/$task.parquet" --engine local -j "${SLURM_CPUS_PER_TASK:-1}" --log-file "$folder/$task.log" || code=$?
# 3: the table is complete, and some of its rows are errors.
[ "${code:-0}" -eq 3 ] || exit "${code:-0}"
