// Whether partial_conv2d asks first for the kernel that is registered from Python (inpaintx/ops/partial_conv_fused.py).
// To ask costs a call of Python, so nothing is asked while nobody has chosen that kernel.
#pragma once

#include <atomic>

namespace inpaintx::partial_conv {

inline std::atomic<bool> fused_is_chosen{false};

}  // namespace inpaintx::partial_conv
