#!/bin/sh
# Losses guided by the foreground, and not, on features with real weights, both from what guided128.sh made in the same
# RUN; run it again to go on after a stop. MORE is a second set of faces, FEATURES a VGG16's weights: those of vgg16_hed are
# 30 times as large as torchvision's, so that the perceptual term weighs less. Usage: features128.sh FACES RUN MORE FEATURES
# [STEPS]
. "$(dirname "$0")/../../recipe.sh"
for guided in true false; do
  name=$([ $guided = true ] && echo guided || echo unguided)
  further foreground guided128.safetensors "$name-features128" "${5:-5000}" "$3" --set guided=$guided --set lr=5e-4 \
    --set perceptual=0.01 --set blended=12 --set vgg=random --set vgg_path="$4" --set val_vgg="$4"
done
