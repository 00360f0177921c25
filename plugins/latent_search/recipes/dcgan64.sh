#!/bin/sh
# The DCGAN of 64x64 on a set of faces; run it again to go on after a stop. Usage: dcgan64.sh FACES RUN [STEPS]
set -eu
faces=$1 run=$2 steps=${3:-20000}
resume=
[ -d "$run" ] && resume=--resume
inpaintx train qiang "$faces" -o "$run" --seed 0 --set ema=0.999 --steps "$steps" $resume
inpaintx export "$run" -o "$run/dcgan64.safetensors" --which last --half --overwrite
