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

enum class Pass { kForward, kInputGradient, kWeightGradient };
enum class ConvAlgorithm { kWinograd, kDirect, kTiled, kAten };

// Which algorithm a pass goes by. grad_output: laid out as y, undefined in the forward pass. Depends on shapes, dtype,
// device and the processor's instruction set, on no value and on no number of threads: so results do not either.
ConvAlgorithm choose_algorithm(Pass pass, const Convolution& c, const at::Tensor& grad_output = {});

// y = W * (known x) K/S + b, new_mask and the ratio K/S, as the op returns them (Liu et al. 2018, eq. 1 and 2). The
// mask's dtype is that of c.mask; bias is contiguous or undefined.
std::tuple<at::Tensor, at::Tensor, at::Tensor> forward(const Convolution& c, const at::Tensor& bias);

// With g' = g K/S:  dW from (known x) and g';  dx = known * convT(g');  db = sum of g where S > 0. ratio as forward
// returned it, contiguous; of gradients that output_mask does not ask for nothing is computed.
std::tuple<at::Tensor, at::Tensor, at::Tensor> backward(const Convolution& c, const at::Tensor& grad_output,
                                                        const at::Tensor& ratio, std::array<bool, 3> output_mask);

}  // namespace inpaintx::partial_conv
