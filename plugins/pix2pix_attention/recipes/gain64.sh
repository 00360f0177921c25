#!/bin/sh
# What attention brings: the same U-Net at 64x64 with and without it, several seeds each, and all compared on the test
# split with white squares of a quarter to a half of the side; run it again to go on after a stop.
# Usage: gain64.sh FACES RUN [STEPS [SEEDS]]
. "$(dirname "$0")/../../recipe.sh"
steps=${3:-6000} seeds=${4:-0 1 2}
methods= weights=
for seed in $seeds; do
  for attention in true false; do
    name=attention-$attention-$seed
    train pix2pix_attention "$name" --preset tiny --steps "$steps" --seed "$seed" --set attention=$attention \
      --set dropout=0 --set holes=box:square=true --set precision=32-true
    ship "$name" last "$name.safetensors"
    methods=${methods:+$methods,}$name=pix2pix_attention weights="$weights --weights $name=$run/$name.safetensors"
  done
done
[ -e "$run/gain" ] || inpaintx evaluate "$faces" -o "$run/gain" -m "$methods" $weights --baseline attention-false-0 \
  --size 64 --masks box:square=true --masks centre --no-gallery
