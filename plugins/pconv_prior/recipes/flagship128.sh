#!/bin/sh
# The prior network at 128x128 on features with real weights and against a discriminator, from the weights l1, in three
# runs with ever more weight on features and discriminator; run it again to go on after a stop. MORE is a second set of
# faces, a quarter of each batch; FEATURES a VGG16's weights. The default weights were taken from the third run after
# 3,300 of its steps. Usage: flagship128.sh FACES RUN MORE FEATURES [STEPS [STEPS_B [STEPS_C]]]
. "$(dirname "$0")/../../recipe.sh"
more=$3 features=$4

# stage NAME INIT STEPS PERCEPTUAL STYLE ADVERSARIAL
stage() {
  train pconv_prior "$1" --steps "$3" --set init="$2" --set size=128 --set width=24 --set levels=5 --set batch_size=8 \
    --set lr=2e-4 --set hole=1 --set blended=8 --set seen=blended --set layers=light --set perceptual="$4" \
    --set style="$5" --set adversarial="$6" --set vgg_path="$features" --set mirrored=true --set jitter=0.1 \
    --set jitter_angle=10 --set jitter_part=0.5 --set extra="$more" --set extra_share=0.25 --set precision=32-true \
    --set checkpoint_every=100 --set validate_every=400 --set val_images=48 --set val_vgg="$features"
  ship "$1" last "$1.safetensors"
}

stage flagship128 l1 "${5:-6000}" 0.6 0.3 0.1
stage flagship128b "$run/flagship128.safetensors" "${6:-3600}" 0.8 0.6 0.2
stage flagship128c "$run/flagship128b.safetensors" "${7:-9000}" 1.2 0.9 0.4
