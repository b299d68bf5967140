#!/bin/bash
# Trains the face detector that comes with animetools (points) from scratch: draws people with their true
# boxes and landmarks, trains on scenes of them, and writes points.onnx. On one core, drawing takes
# 6 minutes and the training 20.
# If interrupted, run the same line again: it continues.
#
# Usage: train-detector.sh [FOLDER [PEOPLE [SCENES]]]
# with the numbers of drawn people, and of scenes to train on.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/setup"
export PYTHONPATH="$root" OMP_NUM_THREADS=1
python="$root/.venv/bin/python"
folder=${1:-$root/default-detector} people=${2:-4000} scenes=${3:-67200}
mkdir -p "$folder"
cd "$folder"

nice "$python" -m examples.detector.sprites people 31 "$people"
nice "$python" -m examples.detector.train people run "$scenes"
"$python" -m examples.detector.export run points.onnx
