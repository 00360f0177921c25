#!/bin/sh
# The U-Net with attention for any hole at 128x128, in two runs: the second begins from the first's weights and
# trains what Poisson blending makes of a fill as well. Run it again to go on after a stop.
# Usage: unet128.sh FACES RUN [STEPS [BLENDED_STEPS]]
set -eu
# glibc keeps freed memory for the next step instead of giving it back
export GLIBC_TUNABLES="${GLIBC_TUNABLES-glibc.malloc.mmap_threshold=4294967295:glibc.malloc.trim_threshold=4294967295:glibc.malloc.top_pad=268435456}"
faces=$1 run=$2 steps=${3:-5000} blended_steps=${4:-2000}
mkdir -p "$run"

stage() {  # NAME STEPS OPTIONS...
  name=$1 count=$2 resume=
  shift 2
  [ -d "$run/$name" ] && resume=--resume
  inpaintx train pix2pix_attention "$faces" -o "$run/$name" --preset default --seed 0 --steps "$count" \
    --set size=128 --set width=24 --set levels=6 --set discriminator_width=24 --set batch=8 --set lr=5e-4 --set dropout=0 \
    --set l1=1000 \
    --set holes=strokes:ratio=0.05-0.6+walk:ratio=0.05-0.6+box+centre --set ema=0.999 --set precision=bf16-mixed \
    --set checkpoint_every=500 --set val_images=128 "$@" $resume
}

stage first "$steps"
[ -f "$run/first.safetensors" ] || inpaintx export "$run/first" -o "$run/first.safetensors" \
  --licence "research use only, as its images"
stage blended "$blended_steps" --set init="$run/first.safetensors" --set blended=3000 --set mirrored=true
inpaintx export "$run/blended" -o "$run/unet128.safetensors" --half --overwrite \
  --licence "research use only, as its images"
