#!/bin/sh
# PD-GAN as printed and improved, at 128x128: the prior and FAN once, then for each row a GAN, and the same with less
# weight on diversity, from its weights. Run it again to go on after a stop. The published weights had a FAN of 64 pixels
# that knew the mean face only, which train-fan refuses now; the recipe makes one that finds landmarks.
# Usage: rows128.sh FACES RUN [PRIOR_STEPS [FAN_STEPS [STEPS [CALM_STEPS [ROW...]]]]], ROW printed or improved
. "$(dirname "$0")/../../recipe.sh"
prior_steps=${3:-10000} fan_steps=${4:-8000} steps=${5:-2500} calm_steps=${6:-700}
[ $# -gt 6 ] && shift 6 || set -- printed improved

[ -f "$run/prior.safetensors" ] || train pconv_prior prior --steps "$prior_steps" --set size=128 --set width=12 \
  --set levels=5 --set batch_size=8 --set vgg=skip --set hole=1 --set blended=6 --set init_std=0.02
keep prior best
[ -f "$run/fan.safetensors" ] ||
  inpaintx train-fan "$faces" --out "$run/fan.safetensors" --steps "$fan_steps"
for row; do
  case $row in
    printed) options="--preset paper" fan= ;;
    improved) options="--preset full" fan="--set fan_path=$run/fan.safetensors" ;;
    *) echo "no row '$row': printed or improved" >&2 && exit 2 ;;
  esac
  gan="--set order=shuffled --set flip=true --set init_std=0.02 --set size=128 --set batch_size=4 --set vgg=small --set vgg_normalize=true --set blended=50 --set skin=mean $fan"
  [ -f "$run/$row.safetensors" ] || train pdgan "$row" $options --steps "$steps" $gan --set diversity=0.05 --set width=8 \
    --set prior_width=12 --set prior="$run/prior.safetensors" --set scale=window
  keep "$row" best
  train pdgan "$row-calm" --steps "$calm_steps" $gan --set diversity=0.01 --set init="$run/$row.safetensors" \
    --set ema=0.99 --set checkpoint_every=300 --set validate_every=350
  ship "$row-calm" best "${row}128.safetensors"
done
