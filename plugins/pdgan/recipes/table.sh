#!/bin/sh
# The four rows of the face paper's table on one prior, with real features and a FAN that finds landmarks, each with
# several seeds; run it again to go on after a stop. PRIOR is weights of pconv_prior (width 24, five levels),
# FEATURES a VGG16's weights (those of vgg16_hed are 30 times as large as torchvision's: perceptual weighs less), FAN a
# file of fan128.sh. At a size other than 128 the prior is trained on at that size first.
# Usage: table.sh FACES RUN PRIOR FEATURES FAN SIZE [STEPS [SEEDS [ROW...]]], ROW paper, fan_only, mask_only or full
. "$(dirname "$0")/../../recipe.sh"
. "$(dirname "$0")/../row_options.sh"
prior=$3 features=$4 fan=$5 size=$6 steps=${7:-7500} seeds=${8:-0 1 2}
[ $# -gt 8 ] && shift 8 || set -- paper fan_only mask_only full

if [ "$size" != 128 ]; then
  train pconv_prior "prior$size" --steps 3000 --set init="$prior" --set size="$size" --set width=24 \
    --set levels=5 --set batch_size=8 --set lr=2e-4 --set hole=1 --set blended=6 --set seen=blended --set layers=light \
    --set perceptual=0.5 --set style=0.3 --set adversarial=0.05 --set vgg_path="$features" --set precision=32-true
  keep "prior$size" last
  prior=$run/prior$size.safetensors
fi
for seed in $seeds; do
  for row; do
    row_options "$row" "$fan"
    train pdgan "$row$size-$seed" --preset "$row" --steps "$steps" --seed "$seed" --set size="$size" --set batch_size=8 \
      --set width=8 --set scale=window --set prior="$prior" --set prior_width=24 --set prior_levels=5 \
      --set soft=capped --set free=0.9 --set perceptual=0.3 --set diversity=0.5 --set diversity_eps=1e-2 \
      --set diversity_fall=0.1 --set blended=50 --set vgg_path="$features" --set vgg_normalize=true \
      --set val_vgg="$features" --set precision=32-true --set checkpoint_every=200 --set val_images=48 \
      --set order=shuffled --set flip=true --set alpha="$alpha" --set skin="$skin" --set fan_path="$fan_path"
    ship "$row$size-$seed" last "$row$size-$seed.safetensors"
  done
done
