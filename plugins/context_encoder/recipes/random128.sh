#!/bin/sh
# The context encoder for any hole at 128x128; run it again to go on after a stop.
# Usage: random128.sh FACES RUN [STEPS [BLENDED_STEPS]]
. "$(dirname "$0")/../../recipe.sh"
two_runs context_encoder random128.safetensors last "${3:-1500}" "${4:-1500}" \
  "--set batch_size=8 --set init_std=0.02" \
  "--set blended=6"
