#!/bin/sh
# DeepFill v2 at 128x128; run it again to go on after a stop.
# Usage: gated128.sh FACES RUN [STEPS [BLENDED_STEPS]]
. "$(dirname "$0")/../../recipe.sh"
two_runs deepfill gated128.safetensors best "${3:-1200}" "${4:-1500}" \
  "--set size=128 --set width=16 --set init_std=0.02 --set discriminator_width=16 --set batch_size=8 --set lr=5e-4 --set adversarial=0.05" \
  "--set blended=6"
