// The search of patchmatch for ops that use its field; arguments are taken as checked. Glue, not for kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>

namespace inpaintx::ops {

// As patchmatch in ops.h. With `strip`, the CPU's threads share an image in strips of so many rows, with a result that
// is the same for any number of threads; in images of more rows than that it is another one than without.
std::tuple<at::Tensor, at::Tensor> patchmatch_field(const at::Tensor& source, const at::Tensor& target,
                                                    const at::Tensor& source_valid, int64_t kernel_size,
                                                    int64_t iterations, int64_t seed,
                                                    const std::optional<at::Tensor>& init,
                                                    const std::optional<at::Tensor>& where, int64_t strip = 0);

}  // namespace inpaintx::ops
