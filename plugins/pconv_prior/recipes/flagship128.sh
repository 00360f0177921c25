#!/bin/sh
# The prior network at 128x128 on features with real weights and against a discriminator, from the weights l1; run it
# again to go on after a stop. MORE is a second set of faces, a quarter of each batch; FEATURES a VGG16's weights. The
# default weights are those of step 2,300 of 6,000, 0.7 of the way (inpaintx export --start l1 --share 0.7).
# Usage: flagship128.sh FACES RUN MORE FEATURES [STEPS]
. "$(dirname "$0")/../../recipe.sh"
train pconv_prior flagship128 --steps "${5:-52000}" --set init=l1 --set size=128 --set width=24 \
  --set levels=5 --set batch_size=8 --set lr=2e-4 --set hole=1 --set blended=8 --set seen=blended --set layers=light \
  --set perceptual=0.6 --set style=0.3 --set adversarial=0.1 --set vgg_path="$4" --set mirrored=true \
  --set jitter=0.1 --set jitter_angle=10 --set jitter_part=0.5 --set extra="$3" --set extra_share=0.25 \
  --set precision=32-true --set checkpoint_every=100 --set validate_every=250 --set val_images=48 \
  --set val_vgg="$4"
ship flagship128 last flagship128.safetensors
