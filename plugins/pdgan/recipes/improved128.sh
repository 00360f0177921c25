#!/bin/sh
# The improved PD-GAN at 128x128 after its prior; run it again to go on after a stop. Usage: improved128.sh FACES RUN [STEPS]
set -eu
# glibc keeps freed memory for the next step instead of giving it back
export GLIBC_TUNABLES="${GLIBC_TUNABLES-glibc.malloc.mmap_threshold=4294967295:glibc.malloc.trim_threshold=4294967295:glibc.malloc.top_pad=268435456}"
faces=$1 run=$2 steps=${3:-2500} prior=$2-prior
common="--seed 0 --set size=128 --set ema=0.999 --set precision=bf16-mixed --set checkpoint_every=500 --set val_images=128
  --set holes=strokes:ratio=0.05-0.6+walk:ratio=0.05-0.6+box+centre"
if [ ! -f "$prior.safetensors" ]; then
  resume=
  [ -d "$prior" ] && resume=--resume
  inpaintx train pconv "$faces" -o "$prior" --preset prior --steps 6000 $common \
    --set width=12 --set levels=5 --set batch=8 --set vgg=skip $resume
  inpaintx export "$prior" -o "$prior.safetensors"
fi
resume=
[ -d "$run" ] && resume=--resume
inpaintx train pdgan "$faces" -o "$run" --preset full --steps "$steps" $common \
  --set width=8 --set prior_width=12 --set prior="$prior.safetensors" --set scale=window --set batch=4 \
  --set vgg=small --set vgg_normalize=true --set fan=skip --set beta=0 --set diversity=0.05 $resume
inpaintx export "$run" -o "$run/improved128.safetensors" --half --overwrite \
  --licence "research use only, as its images"
