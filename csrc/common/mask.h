// How a mask is read, whatever it is stored as: 1 = hole, above a half.
#pragma once

#include <cstdint>

#include "common/inline.h"

namespace inpaintx {

INPAINTX_HD bool is_hole(uint8_t mask) { return mask != 0; }
INPAINTX_HD bool is_hole(float mask) { return mask > 0.5f; }

}  // namespace inpaintx
