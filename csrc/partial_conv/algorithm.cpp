// The one place where an algorithm is chosen. The order of the questions is the order of preference: a later algorithm
// is asked for where no earlier one wins. Reasons are given with each.
#include <algorithm>

#include "common/torch_cuda.h"
#include "conv3x3/winograd.h"
#include "partial_conv/convolution.h"
#include "partial_conv/direct.h"
#include "partial_conv/tiles.h"

namespace inpaintx::partial_conv {
namespace {

bool steps_are_one(const Convolution& c) {
  return std::max({c.stride[0], c.stride[1], c.dilation[0], c.dilation[1]}) == 1;
}

bool winograd_wins(Pass pass, const Convolution& c, const at::Tensor& grad_output) {
  if (c.weight.size(2) != 3 || c.weight.size(3) != 3 || !steps_are_one(c)) return false;
  switch (pass) {
    case Pass::kForward:
      return winograd::use_winograd(c.x, c.weight, c.padding);
    case Pass::kInputGradient:
      return winograd::use_winograd_for_input(grad_output, c.weight, c.padding);
    default:
      return winograd::use_winograd_for_weight(grad_output, c.x, c.padding);
  }
}

}  // namespace

ConvAlgorithm choose_algorithm(Pass pass, const Convolution& c, const at::Tensor& grad_output) {
  // cuDNN between two elementwise kernels, which are bound by memory. A convolution that does their work as well saves
  // them, if it is as quick as cuDNN's: partial_conv_fused.py has one in Triton, not yet measured (docs/speed.md).
  if (on_cuda(c.x)) return ConvAlgorithm::kAten;

  // A 4 x 4 tile of results takes 36 products a channel instead of 144. Wins for 3 x 3 windows with step 1 in float32
  // from some 16 and 32 channels on; with fewer the transforms outweigh the products. The transforms hide and rescale,
  // and leave out tiles of which nothing is asked for.
  if (winograd_wins(pass, c, grad_output)) return ConvAlgorithm::kWinograd;

  // Gradients of weights sum over all pixels: there is no result that could be left out.
  if (pass == Pass::kWeightGradient) return ConvAlgorithm::kAten;

  // Every other window in float32, with AVX2 or AVX-512: hides, sums, rescales and writes a tile in one pass over
  // memory, and leaves out what only sees hidden pixels. Wins but for rows of less than 32 results, strides above 4,
  // and weights of more than a million numbers, which a matrix product reads less often.
  if (has_direct(c.x, c.weight, c.window)) return ConvAlgorithm::kDirect;

  // The other dtypes, and processors without those instructions: ATen's convolution, but tile by tile, where an image
  // is large against the tiles that fit a core's cache and the weights are small enough to be repacked for each. In
  // float64 2 to 4 times as fast as the passes below; in the half types 0.8 to 1.4 times, more where the hole is one
  // large piece.
  if (pass == Pass::kForward && use_tiles(c.x, c.weight, c.window)) return ConvAlgorithm::kTiled;

  // Small images and large weights: the passes that hide and rescale cost little beside the convolution.
  return ConvAlgorithm::kAten;
}

}  // namespace inpaintx::partial_conv
