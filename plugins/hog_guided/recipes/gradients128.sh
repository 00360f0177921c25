#!/bin/sh
# Both stages at 128x128; run it again to go on after a stop. Usage: gradients128.sh FACES RUN [STEPS]
set -eu
# glibc keeps freed memory for the next step instead of giving it back
export GLIBC_TUNABLES="${GLIBC_TUNABLES-glibc.malloc.mmap_threshold=4294967295:glibc.malloc.trim_threshold=4294967295:glibc.malloc.top_pad=268435456}"
faces=$1 run=$2 steps=${3:-5000}
resume=
[ -d "$run" ] && resume=--resume
inpaintx train hog_guided "$faces" -o "$run" --preset default --seed 0 --steps "$steps" \
  --set size=128 --set width=20 --set blocks=4 --set discriminator_width=16 --set batch=8 --set shape_steps=1000 --set true_guidance_steps=600 --set lr=1e-3 --set discriminator_lr=1e-4 --set blended=12 --set vgg=skip \
  --set holes=strokes:ratio=0.05-0.6+walk:ratio=0.05-0.6+box+centre --set ema=0.999 --set precision=bf16-mixed \
  --set checkpoint_every=500 --set val_images=128 $resume
inpaintx export "$run" -o "$run/gradients128.safetensors" --half --overwrite \
  --licence "research use only, as its images"
