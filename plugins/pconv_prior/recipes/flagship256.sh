#!/bin/sh
# The prior network at 256x256 on features with real weights and against a discriminator, from the weights START of
# flagship128.sh; run it again to go on after a stop. MORE is a second set of faces, a quarter of each batch; FEATURES a
# VGG16's weights. Usage: flagship256.sh FACES RUN START MORE FEATURES [STEPS]
. "$(dirname "$0")/../../recipe.sh"
train pconv_prior flagship256 --steps "${6:-20000}" --set init="$3" --set size=256 --set width=24 \
  --set levels=5 --set batch_size=4 --set lr=2e-4 --set hole=1 --set blended=6 --set seen=blended --set layers=light \
  --set perceptual=0.5 --set style=0.3 --set adversarial=0.25 --set vgg_path="$5" --set mirrored=true \
  --set jitter=0.1 --set jitter_angle=10 --set jitter_part=0.5 --set extra="$4" --set extra_share=0.25 \
  --set precision=32-true --set checkpoint_every=50 --set validate_every=500 --set val_images=32 --set val_vgg="$5"
ship flagship256 last flagship256.safetensors
