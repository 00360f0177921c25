// Whether an op's inputs ask for derivatives: reverse mode by requires_grad, forward mode by a tangent. Glue, not for
// kernels.
#pragma once

#include <torch/csrc/autograd/functions/utils.h>

#include <optional>

namespace inpaintx {

inline bool has_tangent(const at::Tensor& x) { return x.defined() && x._fw_grad(0).defined(); }
inline bool has_tangent(const std::optional<at::Tensor>& x) { return x && has_tangent(*x); }

// Whether nobody asks for derivatives, backwards or forwards. Then an op goes below autograd at once: making its node
// takes microseconds, as long as all of its work on a small image.
template <class... T>
bool without_gradient(const T&... x) {
  return !torch::autograd::compute_requires_grad(x...) && !(has_tangent(x) || ...);
}

}  // namespace inpaintx
