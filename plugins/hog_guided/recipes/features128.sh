#!/bin/sh
# Both stages at 128x128 on features with real weights, from what gradients128.sh made in the same RUN; run it again to go
# on after a stop. MORE is a second set of faces, FEATURES a VGG16's weights: those of vgg16_hed are 30 times as large as
# torchvision's, so that perceptual and style weigh less than the paper's. Usage: features128.sh FACES RUN MORE FEATURES
# [STEPS]
. "$(dirname "$0")/../../recipe.sh"
further hog_guided gradients128.safetensors gradients-features128 "${5:-5000}" "$3" --set shape_steps=500 \
  --set true_guidance_steps=0 --set lr=2e-4 --set discriminator_lr=1e-4 --set perceptual=0.03 --set style=0.3 \
  --set vgg_path="$4" --set val_vgg="$4"
