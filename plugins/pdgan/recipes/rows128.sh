#!/bin/sh
# PD-GAN as printed and improved, at 128x128: the prior and FAN once, then for each row a GAN, and the same with less
# weight on diversity, from its weights. Run it again to go on after a stop.
# Usage: rows128.sh FACES RUN [PRIOR_STEPS [FAN_STEPS [STEPS [CALM_STEPS [ROW...]]]]], ROW printed or improved
set -eu
# glibc keeps freed memory for the next step instead of giving it back
export GLIBC_TUNABLES="${GLIBC_TUNABLES-glibc.malloc.mmap_threshold=4294967295:glibc.malloc.trim_threshold=4294967295:glibc.malloc.top_pad=268435456}"
faces=$1 run=$2 prior_steps=${3:-10000} fan_steps=${4:-2500} steps=${5:-2500} calm_steps=${6:-700}
[ $# -gt 6 ] && shift 6 || set -- printed improved
licence="research use only, as its images"
common="--seed 0 --set size=128 --set precision=bf16-mixed --set val_images=128
  --set holes=strokes:ratio=0.05-0.6+walk:ratio=0.05-0.6+box+centre"
long="--set ema=0.999 --set checkpoint_every=500" short="--set ema=0.99 --set checkpoint_every=300 --set validate_every=350"

train() { # METHOD NAME OPTIONS...
  method=$1 name=$2 resume=
  shift 2
  [ -d "$run/$name" ] && resume=--resume
  inpaintx train "$method" "$faces" -o "$run/$name" $common "$@" $resume
}

mkdir -p "$run"
if [ ! -f "$run/prior.safetensors" ]; then
  train pconv prior --preset prior --steps "$prior_steps" $long --set width=12 --set levels=5 --set batch=8 --set vgg=skip \
    --set hole=1 --set blended=6
  inpaintx export "$run/prior" -o "$run/prior.safetensors"
fi
[ -f "$run/fan.safetensors" ] ||
  inpaintx train-fan "$faces" --out "$run/fan.safetensors" --size 64 --width 32 --steps "$fan_steps" --batch 32
for row; do
  case $row in
    printed) options="--preset paper" fan= ;;
    improved) options="--preset full" fan="--set fan_path=$run/fan.safetensors" ;;
    *) echo "no row '$row': printed or improved" >&2 && exit 2 ;;
  esac
  gan="--set batch=4 --set vgg=small --set vgg_normalize=true --set blended=50 $fan"
  if [ ! -f "$run/$row.safetensors" ]; then
    train pdgan "$row" $options --steps "$steps" $long $gan --set diversity=0.05 \
      --set width=8 --set prior_width=12 --set prior="$run/prior.safetensors" --set scale=window
    inpaintx export "$run/$row" -o "$run/$row.safetensors" --half
  fi
  train pdgan "$row-calm" --steps "$calm_steps" $short $gan --set diversity=0.01 --set init="$run/$row.safetensors"
  inpaintx export "$run/$row-calm" -o "$run/${row}128.safetensors" --half --overwrite --licence "$licence"
done
