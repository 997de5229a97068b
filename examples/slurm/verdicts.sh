#!/bin/bash
# What the array of `array.sh` has trained is read, claims are decided, and timings, which are of one machine,
# are made: alone on it.

#SBATCH --job-name=verdicts
#SBATCH --exclusive
#SBATCH --gpus=1
#SBATCH --time=02:00:00

export REPRO_HOME="$HOME/repro-store"
export REPRO_DATA="$HOME/data"

repro run suites --profile gpu
