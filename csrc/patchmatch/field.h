// The search of patchmatch for ops that use its field; arguments are taken as checked. Glue, not for kernels.
//   source [B,C,Hs,Ws], target [B,C,H,W], source_valid [B|1,1,Hs,Ws], init [B,H,W,2] or none, where [B,1,H,W] or none
//   -> nnf [B,H,W,2] int32, cost [B,H,W] float32, both contiguous
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
