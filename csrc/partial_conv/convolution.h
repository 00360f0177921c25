// A partial convolution with tensors in and out: its arguments, the choice of an algorithm, and the two passes.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <tuple>

#include "partial_conv/kernels.h"

namespace inpaintx::partial_conv {

// Arguments that have been checked, in the layout in which they are worked on.
struct Convolution {
  at::Tensor x;       // [B,Cin,H,W], contiguous or channels_last
  at::Tensor mask;    // [B|1,1|Cin,H,W], float or bool, contiguous (see readable_mask)
  at::Tensor weight;  // [Cout,Cin,kh,kw]
  at::IntArrayRef stride, padding, dilation;
  Window window;
  at::MemoryFormat layout;  // of x, of y and of their gradients

  bool one_mask() const { return mask.size(1) == 1; }  // for all channels
};

// The passes choose apart: a gradient may go by Winograd's transforms where the forward pass does not, and the reverse.
enum class Pass { kForward, kInputGradient, kWeightGradient };
enum class ConvAlgorithm { kWinograd, kDirect, kTiled, kAten };

// Which algorithm a pass goes by.
//   pass         whose algorithm is asked for
//   c            checked arguments
//   grad_output  [B,Cout,Ho,Wo], laid out as y; undefined in the forward pass
// Depends on shapes, dtype, device and the processor's instruction set, on no value and on no number of threads: so
// results do not either. Keep it so: an answer that looked at the mask would make a batch differ from its images one by
// one.
ConvAlgorithm choose_algorithm(Pass pass, const Convolution& c, const at::Tensor& grad_output = {});

// The forward pass (Liu et al. 2018, "Image Inpainting for Irregular Holes Using Partial Convolutions", eq. 1 and 2).
//   c      x, mask and weight are read
//   bias   [Cout] in x's dtype, contiguous, or undefined
// Returns y [B,Cout,Ho,Wo] in x's dtype and c.layout; new_mask [B,1,Ho,Wo] in the dtype of c.mask; ratio K/S
// [B,1,Ho,Wo] in float32 (float64 for float64). All three are new.
std::tuple<at::Tensor, at::Tensor, at::Tensor> forward(const Convolution& c, const at::Tensor& bias);

// The backward pass. With g' = g K/S:  dW from (known x) and g';  dx = known * convT(g');  db = sum of g where S > 0.
// The mask and the ratio are constants.
//   c            as the forward pass had it
//   grad_output  g, [B,Cout,Ho,Wo] in x's dtype and c.layout
//   ratio        as forward returned it, contiguous
//   output_mask  which of dx, dW and db are computed; the others come back undefined
// Returns dx like x, dW like weight, db [Cout] in the weight's dtype.
std::tuple<at::Tensor, at::Tensor, at::Tensor> backward(const Convolution& c, const at::Tensor& grad_output,
                                                        const at::Tensor& ratio, std::array<bool, 3> output_mask);

}  // namespace inpaintx::partial_conv
