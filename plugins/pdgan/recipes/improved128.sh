#!/bin/sh
# The improved PD-GAN at 128x128, its prior first; run it again to go on after a stop. Usage: improved128.sh FACES RUN [STEPS]
set -eu
# glibc keeps freed memory for the next step instead of giving it back
export GLIBC_TUNABLES="${GLIBC_TUNABLES-glibc.malloc.mmap_threshold=4294967295:glibc.malloc.trim_threshold=4294967295:glibc.malloc.top_pad=268435456}"
faces=$1 run=$2 steps=${3:-10000}
resume=
[ -d "$run" ] && resume=--resume
inpaintx train pdgan "$faces" -o "$run" --preset full --seed 0 --steps "$steps" \
  --set size=128 --set width=8 --set prior_width=12 --set batch=8 --set vgg=small --set fan=skip --set beta=0 --set prior_steps=5000 --set prior_lr=1e-3 --set vgg_normalize=true --set scale=window --set diversity_eps=0.01 \
  --set holes=strokes:ratio=0.05-0.6+walk:ratio=0.05-0.6+box+centre --set ema=0.999 --set precision=bf16-mixed \
  --set checkpoint_every=500 --set val_images=128 $resume
inpaintx export "$run" -o "$run/improved128.safetensors" --half --overwrite \
  --licence "research use only, as its images"
