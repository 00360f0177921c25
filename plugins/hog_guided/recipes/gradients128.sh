#!/bin/sh
# Both stages at 128x128, then painting with more large holes; run it again to go on after a stop.
# Usage: gradients128.sh FACES RUN [STEPS [LARGE_STEPS]]
. "$(dirname "$0")/../../recipe.sh"
both="--set batch_size=8 --set init_std=0.02 --set discriminator_lr=1e-4 --set blended=12 --set vgg=skip"
train hog_guided first --preset default --steps "${3:-6000}" $both --set size=128 --set width=20 --set blocks=4 \
  --set discriminator_width=16 --set shape_steps=1000 --set true_guidance_steps=600 --set lr=1e-3
keep first best
train hog_guided large --steps "${4:-2000}" $both --set init="$run/first.safetensors" --set shape_steps=1 \
  --set true_guidance_steps=0 --set lr=7e-4 --set ema=0.998 \
  --set holes=strokes:ratio=0.3-0.65+walk:ratio=0.3-0.65+"$holes" --set val_holes="$holes"
ship large best gradients128.safetensors
