#!/bin/sh
# A FAN of one hourglass at 128x128 on a set's own landmarks; run it again to go on after a stop.
# Usage: fan128.sh FACES RUN [STEPS]
. "$(dirname "$0")/../../recipe.sh"
[ -f "$run/fan128.safetensors" ] ||
  inpaintx train-fan "$faces" --out "$run/fan128.safetensors" --size 128 --width 64 --steps "${3:-8000}" --batch 16
