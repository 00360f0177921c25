#!/bin/sh
# Foreground-guided losses at 128x128; run it again to go on after a stop.
# Usage: guided128.sh FACES RUN [STEPS [BLENDED_STEPS]]
. "$(dirname "$0")/../../recipe.sh"
two_runs foreground guided128.safetensors best "${3:-3000}" "${4:-2000}" \
  "--set size=128 --set width=24 --set discriminator_width=16 --set batch_size=8 --set lr=1e-3 --set vgg=skip --set init_std=0.02" \
  "--set blended=6"
