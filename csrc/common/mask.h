// How a mask is read, whatever it is stored as: 1 = hole, above a half.
#pragma once

#include "common/host_device.h"

namespace inpaintx {

INPAINTX_HD bool is_hole(bool mask) { return mask; }
INPAINTX_HD bool is_hole(float mask) { return mask > 0.5f; }

}  // namespace inpaintx
