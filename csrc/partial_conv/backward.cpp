// The backward pass: one function for each algorithm.
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "common/allocator.h"
#include "common/layout.h"
#include "common/mask_tensor.h"
#include "common/torch_cuda.h"
#include "conv3x3/winograd.h"
#include "partial_conv/convolution.h"
#include "partial_conv/direct.h"
#include "partial_conv/elementwise.h"

namespace inpaintx::partial_conv {
namespace {

using at::Tensor;

Tensor empty_input(const Convolution& c) { return advise_huge_pages(at::empty(c.x.sizes(), c.x.options(), c.layout)); }

Tensor input_gradient_winograd(const Convolution& c, const Tensor& grad_output, const Tensor& ratio) {
  const Tensor grad_x = empty_input(c);
  winograd::grad_x(grad_output, c.weight, c.padding, grad_x, ratio, c.one_mask() ? known_pixels(c.mask) : Tensor());
  return c.one_mask() ? grad_x : apply_mask(grad_x, c.mask, grad_x);
}

// A mask of one channel goes through the transforms as factors of the sources. One of many channels does not fit there,
// and x is masked before them: one more pass over memory.
Tensor weight_gradient_winograd(const Convolution& c, const Tensor& grad_output, const Tensor& ratio) {
  if (c.one_mask()) return winograd::grad_weight(grad_output, c.x, c.padding, ratio, known_pixels(c.mask));
  return winograd::grad_weight(grad_output, apply_mask(c.x, c.mask, scratch_like(c.x)), c.padding, ratio);
}

Tensor input_gradient_direct(const Convolution& c, const Tensor& grad_output, const Tensor& ratio) {
  const Tensor grad_x = empty_input(c);
  direct_backward(grad_output, c.mask, c.weight, ratio, c.window, grad_x);
  return grad_x;
}

// Images one by one, where they are not small: what is written in between stays in cache, or at least small. The
// library repacks the weights each time, so they must be small against an image. Depends on shapes alone, so that
// results do not depend on the number of threads.
bool one_at_a_time(const Convolution& c, const Tensor& grad_output) {
  // Smaller images lie in cache anyhow, and each call of the library has a fixed cost.
  constexpr int64_t kLeast = 1 << 16;  // values
  if (c.x.size(0) <= 1 || on_cuda(c.x)) return false;
  const int64_t image = (c.x.numel() + grad_output.numel()) / c.x.size(0);
  return image >= std::max(kLeast, 4 * c.weight.numel());
}

struct Gradients {
  Tensor x, weight, bias;
};

// ATen's backward convolution of images [first, first + count), between the passes that hide and rescale. `scaled` and
// `masked` are scratch of so many images; grad_x, if defined, receives its part, else it is made.
Gradients gradients_of(const Convolution& c, const Tensor& grad_output, const Tensor& ratio, int64_t first,
                       int64_t count, std::array<bool, 3> output_mask, const Tensor& scaled, const Tensor& masked,
                       const Tensor& grad_x) {
  const auto part = [&](const Tensor& t) { return t.size(0) == c.x.size(0) ? t.narrow(0, first, count) : t; };
  const Tensor mask = part(c.mask);
  Gradients g;
  g.bias = scale_gradient(part(grad_output), part(ratio), scaled, output_mask[2]);
  if (output_mask[1]) apply_mask(part(c.x), mask, masked);
  if (!output_mask[0] && !output_mask[1]) return g;
  std::tie(g.x, g.weight, std::ignore) =
      at::convolution_backward(scaled, masked, c.weight, c10::nullopt, c.stride, c.padding, c.dilation, false, {0, 0},
                               1, {output_mask[0], output_mask[1], false});
  if (output_mask[0]) {
    g.x = g.x.contiguous(c.layout);
    apply_mask(g.x, mask, grad_x.defined() ? part(grad_x) : g.x);
  }
  return g;
}

Gradients gradients_aten(const Convolution& c, const Tensor& grad_output, const Tensor& ratio,
                         std::array<bool, 3> output_mask) {
  const int64_t batch = c.x.size(0), size = one_at_a_time(c, grad_output) ? 1 : batch;
  const Tensor some = c.x.narrow(0, 0, size), scaled = scratch_like(grad_output.narrow(0, 0, size));
  const Tensor masked = output_mask[1] ? scratch_like(some) : some;
  if (size == batch) return gradients_of(c, grad_output, ratio, 0, batch, output_mask, scaled, masked, {});

  Gradients total;
  if (output_mask[0]) total.x = empty_input(c);
  const auto add = [&](Tensor& sum, const Tensor& term) {  // in the precision of sums
    sum.defined() ? void(sum.add_(term)) : void(sum = term.to(ratio.scalar_type()));
  };
  for (int64_t first = 0; first < batch; first += size) {
    const Gradients g = gradients_of(c, grad_output, ratio, first, size, output_mask, scaled, masked, total.x);
    if (output_mask[1]) add(total.weight, g.weight);
    if (output_mask[2]) add(total.bias, g.bias);
  }
  return total;
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> backward(const Convolution& c, const Tensor& grad_output, const Tensor& ratio,
                                            std::array<bool, 3> output_mask) {
  Gradients result;
  // Gradients are ticked off as the faster algorithms give them; ATen computes what is left in one call, which shares
  // the rescaled gradient and the masked x among them.
  std::array<bool, 3> left = output_mask;
  if (left[1] && choose_algorithm(Pass::kWeightGradient, c, grad_output) == ConvAlgorithm::kWinograd) {
    result.weight = weight_gradient_winograd(c, grad_output, ratio);
    left[1] = false;
  }
  if (left[0]) {
    const ConvAlgorithm algorithm = choose_algorithm(Pass::kInputGradient, c, grad_output);
    left[0] = algorithm == ConvAlgorithm::kAten;
    if (algorithm == ConvAlgorithm::kWinograd) result.x = input_gradient_winograd(c, grad_output, ratio);
    if (algorithm == ConvAlgorithm::kDirect) result.x = input_gradient_direct(c, grad_output, ratio);
  }
  if (left[0] || left[1] || left[2]) {
    const Gradients rest = gradients_aten(c, grad_output, ratio, left);
    if (left[0]) result.x = rest.x;
    if (left[1]) result.weight = rest.weight;
    result.bias = rest.bias;
  }
  if (result.weight.defined()) result.weight = result.weight.to(c.weight.scalar_type());
  if (result.bias.defined()) result.bias = result.bias.to(c.weight.scalar_type());
  return {result.x, result.weight, result.bias};
}

}  // namespace inpaintx::partial_conv
