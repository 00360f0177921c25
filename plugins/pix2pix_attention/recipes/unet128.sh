#!/bin/sh
# The U-Net with attention for any hole at 128x128; run it again to go on after a stop.
# Usage: unet128.sh FACES RUN [STEPS [BLENDED_STEPS]]
. "$(dirname "$0")/../../recipe.sh"
two_runs pix2pix_attention unet128.safetensors best "${3:-5000}" "${4:-2000}" \
  "--set init_std=0.02 --set size=128 --set width=24 --set levels=6 --set discriminator_width=24 --set batch_size=8 --set lr=5e-4 --set dropout=0 --set l1=1000" \
  "--set blended=3000 --set mirrored=true"
