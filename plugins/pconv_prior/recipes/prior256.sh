#!/bin/sh
# The prior network at 256x256, from the weights l1; run it again to go on after a stop.
# Usage: prior256.sh FACES RUN [STEPS]
. "$(dirname "$0")/../../recipe.sh"
train pconv_prior prior256 --steps "${3:-5000}" --set init=l1 --set size=256 --set batch_size=8 --set lr=5e-4 --set vgg=skip \
  --set mirrored=true --set validate_every=500 --set val_images=96
ship prior256 best prior256.safetensors
