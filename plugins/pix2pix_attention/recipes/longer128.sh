#!/bin/sh
# The U-Net with attention at 128x128, further from what unet128.sh made in the same RUN with the adversary weighing ten
# times as much; run it again to go on after a stop. MORE is a second set of faces, FEATURES a VGG16's weights, for the
# distance of the validation alone. Usage: longer128.sh FACES RUN MORE FEATURES [STEPS]
. "$(dirname "$0")/../../recipe.sh"
further pix2pix_attention unet128.safetensors unet-longer128 "${5:-5000}" "$3" \
  --set lr=2e-4 --set l1=100 --set blended=300 --set val_vgg="$4"
