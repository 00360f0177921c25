#!/bin/sh
# A row of table.sh at 128x128 further, in two runs: deep in a hole the reconstruction weighs more and diversity less, so that
# spots of colour, which nothing forbids there, go. START is that row's weights; run it again to go on after a stop.
# Usage: settle128.sh FACES RUN START PRIOR FEATURES FAN [ROW [STEPS [STEPS_OF_THE_SECOND]]], ROW as table.sh's, else full
. "$(dirname "$0")/../../recipe.sh"
. "$(dirname "$0")/../row_options.sh"
start=$3 prior=$4 features=$5 row=${7:-full} first=${8:-1200} second=${9:-800}
row_options "$row" "$6"
# settle NAME STEPS START LR FREE DIVERSITY FALL TV
settle() {
  train pdgan "$1" --preset "$row" --steps "$2" --set init="$3" --set size=128 --set batch_size=8 --set lr="$4" \
    --set width=8 --set scale=window --set prior="$prior" --set prior_width=24 --set prior_levels=5 --set soft=capped \
    --set free="$5" --set perceptual=0.3 --set diversity="$6" --set diversity_eps=1e-2 --set diversity_fall="$7" \
    --set tv="$8" --set blended=50 --set vgg_path="$features" --set vgg_normalize=true --set val_vgg="$features" \
    --set precision=32-true --set checkpoint_every=100 --set val_images=48 --set validate_every=300 \
    --set order=shuffled --set flip=true --set alpha="$alpha" --set skin="$skin" --set fan_path="$fan_path"
  keep "$1" last
}
settle "$row-settle128" "$first" "$start" 4e-4 0.3 0.1 0.3 0.1
settle "$row-settled128" "$second" "$run/$row-settle128.safetensors" 3e-4 0 0.03 1 2
ship "$row-settled128" last "$row-settled128-half.safetensors"
