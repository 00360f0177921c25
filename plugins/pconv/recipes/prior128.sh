#!/bin/sh
# The prior network at 128x128 for any hole; run it again to go on after a stop. Usage: prior128.sh FACES RUN [STEPS]
set -eu
# glibc keeps freed memory for the next step instead of giving it back
export GLIBC_TUNABLES="${GLIBC_TUNABLES-glibc.malloc.mmap_threshold=4294967295:glibc.malloc.trim_threshold=4294967295:glibc.malloc.top_pad=268435456}"
faces=$1 run=$2 steps=${3:-36000}
resume=
[ -d "$run" ] && resume=--resume
inpaintx train pconv "$faces" -o "$run" --preset prior --seed 0 --steps "$steps" \
  --set size=128 --set width=24 --set levels=5 --set batch=8 --set vgg=skip --set hole=1 --set blended=6 --set mirrored=true \
  --set holes=strokes:ratio=0.05-0.6+walk:ratio=0.05-0.6+box+centre --set ema=0.999 --set precision=bf16-mixed \
  --set checkpoint_every=500 --set val_images=128 $resume
inpaintx export "$run" -o "$run/prior128.safetensors" --half --overwrite \
  --licence "research use only, as its images"
