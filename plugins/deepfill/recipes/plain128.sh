#!/bin/sh
# DeepFill v1 at 128x128, on as many images as hog_guided's weights have seen; run it again to go on after a stop.
# The critics step once for one step of the network; the paper has five, for which the budget is too small.
# Usage: plain128.sh FACES RUN [STEPS]
. "$(dirname "$0")/../../recipe.sh"
train deepfill plain --preset v1 --steps "${3:-8000}" --set size=128 --set width=16 --set discriminator_width=16 \
  --set batch_size=8 --set lr=5e-4 --set discriminator_steps=1 --set blended=6 --set precision=32-true \
  --set checkpoint_every=200
ship plain best plain128.safetensors
