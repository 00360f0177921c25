#!/bin/sh
# The context encoder for any hole at 128x128, further from what random128.sh made in the same RUN; run it again to go on
# after a stop. MORE is a second set of faces, FEATURES a VGG16's weights, for the distance of the validation alone.
# Usage: longer128.sh FACES RUN MORE FEATURES [STEPS]
. "$(dirname "$0")/../../recipe.sh"
further context_encoder random128.safetensors random-longer128 "${5:-5000}" "$3" \
  --set lr=1e-3 --set discriminator_lr=1e-4 --set val_vgg="$4"
