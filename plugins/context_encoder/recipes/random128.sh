#!/bin/sh
# The context encoder of 128x128 for any hole; run it again to go on after a stop. Usage: random128.sh FACES RUN [STEPS]
set -eu
faces=$1 run=$2 steps=${3:-20000}
resume=
[ -d "$run" ] && resume=--resume
inpaintx train context_encoder "$faces" -o "$run" --seed 0 --set batch=16 --steps "$steps" $resume
inpaintx export "$run" -o "$run/random128.safetensors" --half --overwrite
