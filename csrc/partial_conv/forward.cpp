// The forward pass: one function for each algorithm, and the choice at the end. All of them compute the ratio first,
// from the mask alone; they differ in who hides the hole and who rescales. Winograd's transforms and the direct
// convolution do both on the way, tiles do it while a tile is in cache, ATen's convolution stands between two passes
// over memory.
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>

#include "common/allocator.h"
#include "common/mask_tensor.h"
#include "common/torch_cuda.h"
#include "conv3x3/winograd.h"
#include "partial_conv/convolution.h"
#include "partial_conv/direct.h"
#include "partial_conv/elementwise.h"
#include "partial_conv/tiles.h"

namespace inpaintx::partial_conv {
namespace {

using at::Tensor;

Tensor empty_output(const Convolution& c) {
  const Window& w = c.window;
  return advise_huge_pages(at::empty({w.batch, c.weight.size(0), w.out_height, w.out_width}, c.x.options(), c.layout));
}

// Whether mask_ratio may hide on the way.
bool masks_with_ratio(const Convolution& c) {
  return !c.one_mask() && !on_cuda(c.x) && c.x.scalar_type() == at::kFloat && c.x.is_contiguous();
}

// x without its hidden pixels, in x's layout, with what else a pass over the mask gives.
struct Masked {
  Tensor x, ratio, new_mask;
};
Masked mask_input(const Convolution& c) {
  const Tensor masked = scratch_like(c.x);
  if (masks_with_ratio(c)) {
    const auto [ratio, new_mask] = mask_ratio(c, masked);
    return {masked, ratio, new_mask};
  }
  const auto [ratio, new_mask] = mask_ratio(c);
  return {apply_mask(c.x, c.mask, masked), ratio, new_mask};
}

using Outputs = std::tuple<Tensor, Tensor, Tensor>;

// A mask of one channel is hidden by the transforms; others before them.
Outputs forward_winograd(const Convolution& c, const Tensor& bias) {
  const Tensor y = empty_output(c);
  if (c.one_mask()) {
    const auto [ratio, new_mask] = mask_ratio(c);
    winograd::forward(c.x, c.weight, bias, c.padding, y, known_pixels(c.mask), ratio);
    return {y, new_mask, ratio};
  }
  const auto [x, ratio, new_mask] = mask_input(c);
  winograd::forward(x, c.weight, bias, c.padding, y, {}, ratio);
  return {y, new_mask, ratio};
}

Outputs forward_direct(const Convolution& c, const Tensor& bias) {
  const auto [ratio, new_mask] = mask_ratio(c);
  const Tensor y = empty_output(c);
  direct_forward(c.x, c.mask, c.weight, bias, ratio, c.window, y);
  return {y, new_mask, ratio};
}

Outputs forward_tiled(const Convolution& c, const Tensor& bias) {
  const auto [ratio, new_mask] = mask_ratio(c);
  const Tensor y = empty_output(c);
  convolve_tiles(c.x, c.mask, c.weight, bias, ratio, c.window, y);
  return {y, new_mask, ratio};
}

Outputs forward_aten(const Convolution& c, const Tensor& bias) {
  const auto [x, ratio, new_mask] = mask_input(c);
  const Tensor y = at::conv2d(x, c.weight, {}, c.stride, c.padding, c.dilation).contiguous(c.layout);
  rescale(y, ratio, bias);
  return {y, new_mask, ratio};
}

}  // namespace

Outputs forward(const Convolution& c, const Tensor& bias) {
  switch (choose_algorithm(Pass::kForward, c)) {
    case ConvAlgorithm::kWinograd:
      return forward_winograd(c, bias);
    case ConvAlgorithm::kDirect:
      return forward_direct(c, bias);
    case ConvAlgorithm::kTiled:
      return forward_tiled(c, bias);
    default:
      return forward_aten(c, bias);
  }
}

}  // namespace inpaintx::partial_conv
