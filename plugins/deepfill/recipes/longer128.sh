#!/bin/sh
# DeepFill v2 at 128x128, further from what gated128.sh made in the same RUN with the adversary weighing twice as much; run
# it again to go on after a stop. MORE is a second set of faces, FEATURES a VGG16's weights, for the distance of the
# validation alone. Usage: longer128.sh FACES RUN MORE FEATURES [STEPS]
. "$(dirname "$0")/../../recipe.sh"
further deepfill gated128.safetensors gated-longer128 "${5:-5000}" "$3" \
  --set lr=2e-4 --set adversarial=0.1 --set val_vgg="$4"
