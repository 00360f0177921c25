#!/bin/sh
# PD-GAN as printed and improved, at 128x128: the prior and FAN once, then a GAN for each row; run it again to go on
# after a stop. Usage: rows128.sh FACES RUN [PRIOR_STEPS [FAN_STEPS [STEPS [ROW...]]]], ROW printed or improved
set -eu
# glibc keeps freed memory for the next step instead of giving it back
export GLIBC_TUNABLES="${GLIBC_TUNABLES-glibc.malloc.mmap_threshold=4294967295:glibc.malloc.trim_threshold=4294967295:glibc.malloc.top_pad=268435456}"
faces=$1 run=$2 prior_steps=${3:-10000} fan_steps=${4:-2500} steps=${5:-2500}
[ $# -gt 5 ] && shift 5 || set -- printed improved
common="--seed 0 --set size=128 --set ema=0.999 --set precision=bf16-mixed --set checkpoint_every=500 --set val_images=128
  --set holes=strokes:ratio=0.05-0.6+walk:ratio=0.05-0.6+box+centre"

train() { # METHOD NAME OPTIONS...
  method=$1 name=$2 resume=
  shift 2
  [ -d "$run/$name" ] && resume=--resume
  inpaintx train "$method" "$faces" -o "$run/$name" $common "$@" $resume
}

mkdir -p "$run"
if [ ! -f "$run/prior.safetensors" ]; then
  train pconv prior --preset prior --steps "$prior_steps" --set width=12 --set levels=5 --set batch=8 --set vgg=skip \
    --set hole=1 --set blended=6
  inpaintx export "$run/prior" -o "$run/prior.safetensors"
fi
[ -f "$run/fan.safetensors" ] ||
  inpaintx train-fan "$faces" --out "$run/fan.safetensors" --size 64 --width 32 --steps "$fan_steps" --batch 32
for row; do
  case $row in
    printed) options="--preset paper" ;;
    improved) options="--preset full --set fan_path=$run/fan.safetensors" ;;
    *) echo "no row '$row': printed or improved" >&2 && exit 2 ;;
  esac
  train pdgan "$row" $options --steps "$steps" --set width=8 --set prior_width=12 --set prior="$run/prior.safetensors" \
    --set scale=window --set batch=4 --set vgg=small --set vgg_normalize=true --set diversity=0.05 --set blended=50
  inpaintx export "$run/$row" -o "$run/${row}128.safetensors" --half --overwrite \
    --licence "research use only, as its images"
done
