#!/bin/sh
# The prior network at 128x128 for any hole; run it again to go on after a stop. Usage: prior128.sh FACES RUN [STEPS]
. "$(dirname "$0")/../../recipe.sh"
train pconv_prior prior --steps "${3:-36000}" --set size=128 --set width=24 --set levels=5 --set batch_size=8 \
  --set vgg=skip --set hole=1 --set blended=6 --set mirrored=true --set init_std=0.02
ship prior best prior128.safetensors
