#!/bin/bash
# Suites on a SLURM cluster: as many workers as the array has elements, and then the verdicts.
#
#     array=$(sbatch --parsable array.sh)
#     sbatch --dependency=afterany:$array verdicts.sh
#
# Each worker takes the next trial that nobody is at. Those that begin late help, those that are killed leave
# their trial, with its checkpoint, to the others; the same commands again go on from there.

#SBATCH --job-name=repro
#SBATCH --array=0-15
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --gpus-per-task=1
#SBATCH --time=08:00:00
#SBATCH --requeue

# On a disk that all machines share, and that passes on who holds a lock (NFS from version 4, Lustre with the
# option flock). Code and torch must be the same on all, as one environment on that disk is.
export REPRO_HOME="$HOME/repro-store"
export REPRO_DATA="$HOME/data"

# SLURM hands out cores and GPUs; without a folder of its own a worker would wait for those beside it.
export TMPDIR="${TMPDIR:-/tmp}/repro-$SLURM_JOB_ID"
mkdir -p "$TMPDIR"
trap 'rm -rf "$TMPDIR"' EXIT

repro work suites --profile gpu
