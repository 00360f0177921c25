// Every op as a type: Hog::call(x, ...) goes through the dispatcher (common/op.h). This is the list of what csrc
// offers; the schemas, with the defaults of the options, stand in each op.cpp and must agree in order and types.
// Layouts: contiguous, channels_last or any strides, unless said otherwise; masks are real or bool, 1 = hole (above
// 0.5). Results are new tensors that alias no argument. The Python functions of inpaintx/ops say what the ops compute.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <optional>
#include <tuple>

#include "common/op.h"

namespace inpaintx::ops {

using at::IntArrayRef;
using at::Tensor;
using OptionalTensor = std::optional<Tensor>;
using OneTensor = Tensor;
using TwoTensors = std::tuple<Tensor, Tensor>;
using ThreeTensors = std::tuple<Tensor, Tensor, Tensor>;
using FourTensors = std::tuple<Tensor, Tensor, Tensor, Tensor>;

// x [B,Cin,H,W], mask [B|1,1|Cin|G,H,W], weight [Cout,Cin,kh,kw], bias [Cout], all of x's floating dtype but the mask
//   stride, padding, dilation  two integers each, vertical first, as torch.nn.functional.conv2d has them
//   scale_by_sum               the ratio is 1 / (known inputs over all channels) instead of window / known pixels
//   mask_channels              of how many channels of x each of a mask's G planes is; empty for a mask of 1 or Cin
// -> y [B,Cout,Ho,Wo] in x's dtype, new_mask [B,1,Ho,Wo] in the mask's dtype, and for the backward pass the ratio
//    K/S [B,1,Ho,Wo], float32 (float64 for float64), 0 where the window shows no known pixel
using PartialConv2d =
    Op<"partial_conv2d", ThreeTensors(const Tensor& x, const Tensor& mask, const Tensor& weight,
                                      const OptionalTensor& bias, IntArrayRef stride, IntArrayRef padding,
                                      IntArrayRef dilation, bool scale_by_sum, IntArrayRef mask_channels)>;
// grad_output as y; the others as in the forward pass -> gradients of x, weight and bias where output_mask asks
using PartialConv2dBackward =
    Op<"partial_conv2d_backward",
       ThreeTensors(const Tensor& grad_output, const Tensor& x, const Tensor& mask, const Tensor& ratio,
                    const Tensor& weight, IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation,
                    std::array<bool, 3> output_mask, IntArrayRef mask_channels)>;

// x [B,Cin,H,W], weight [Cout,Cin,3,3], bias [Cout], of one floating dtype; padding p, vertical first -> y
// [B,Cout,H+2p-2,W+2p-2]
using Conv3x3 =
    Op<"conv3x3", OneTensor(const Tensor& x, const Tensor& weight, const OptionalTensor& bias, IntArrayRef padding)>;
using Conv3x3Backward =
    Op<"conv3x3_backward", ThreeTensors(const Tensor& grad_output, const Tensor& x, const Tensor& weight,
                                        IntArrayRef padding, std::array<bool, 3> output_mask)>;

// mask [B,1,H,W]
//   n            dilations (hard) or means (improved)
//   kernel_size  side of the window of each, odd
//   improved     which of the two maps
//   k            hard: the i-th ring has k^-i
//   freeze       improved: a pixel is set once, when it is first reached
// -> P [B,1,H,W] float32, contiguous; 1 where a pixel is known
using SpdMap =
    Op<"spd_map", OneTensor(const Tensor& mask, int64_t n, int64_t kernel_size, bool improved, double k, bool freeze)>;

// x [B,C,H,W], floating; cell in pixels, block in cells, bins over 180 degrees, clip of L2-Hys -> cells [B,Cy,Cx,bins]
// and blocks [B,By,Bx,block,block,bins] in x's dtype
using Hog = Op<"hog", TwoTensors(const Tensor& x, int64_t cell, int64_t block, int64_t bins, double clip)>;

// x, y [B,C,H,W] of one floating dtype, weight [B|1,1,H,W], real, at least 0
//   kernel_size, sigma  of the Gaussian window, odd, in pixels
//   data_range          largest value minus least one
// -> value [B], the mean over pixels and channels, and for the backward pass the weights' total [B]; both float32
//    (float64 for float64)
using Ssim = Op<"ssim", TwoTensors(const Tensor& x, const Tensor& y, const OptionalTensor& weight, int64_t kernel_size,
                                   double sigma, double data_range)>;
using SsimBackward =
    Op<"ssim_backward", TwoTensors(const Tensor& grad_output, const Tensor& x, const Tensor& y,
                                   const OptionalTensor& weight, const Tensor& total, int64_t kernel_size, double sigma,
                                   double data_range, std::array<bool, 2> output_mask)>;

// x, gamma, beta [B,C,H,W] of one floating dtype, C >= 2, probability [B,1,H,W] floating
// -> y [B,C,H,W] as x, and for the backward pass mean and 1 / sqrt(variance + eps) of each pixel, [B,1,H,W], float32
//    (float64 for float64)
using SpdNorm = Op<"spd_norm", ThreeTensors(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                                            const Tensor& probability, double eps)>;
using SpdNormBackward =
    Op<"spd_norm_backward",
       FourTensors(const Tensor& grad_output, const Tensor& x, const Tensor& gamma, const OptionalTensor& beta,
                   const Tensor& probability, const Tensor& mean, const Tensor& rstd, std::array<bool, 4> output_mask)>;

// fill, image [B,C,H,W] floating, mask [B|1,1,H,W]
//   tol        of the error, in units of the largest difference of image and fill on the boundary
//   max_iter   cycles at most, or none: as many as it takes
//   hierarchy  of the mask, on CUDA; none: it is made
// -> [B,C,H,W] in the image's dtype
using PoissonBlend =
    Op<"poisson_blend", OneTensor(const Tensor& fill, const Tensor& image, const Tensor& mask, double tol,
                                  std::optional<int64_t> max_iter, const OptionalTensor& hierarchy)>;
// grad_output as the image -> gradients of fill and image
using PoissonBlendBackward =
    Op<"poisson_blend_backward", TwoTensors(const Tensor& grad_output, const Tensor& mask, double tol,
                                            std::optional<int64_t> max_iter, const OptionalTensor& hierarchy)>;
// The coarse grids of mask [M,1,H,W] on CUDA, for solves in float64 or float32 -> bytes
using PoissonHierarchy = Op<"poisson_hierarchy", OneTensor(const Tensor& mask, bool wide)>;

// source [B,C,Hs,Ws], target [B,C,H,W], floating, source_valid [B|1,1,Hs,Ws] with 1 = usable
//   kernel_size, iterations, seed  side of a patch, odd; rounds of the search; of its draws
//   init, where                    a first guess [B,H,W,2], integer, and the wanted pixels [B,1,H,W], bool; or none
// -> nnf [B,H,W,2] int32 (row, column), cost [B,H,W] float32
using PatchMatch = Op<"patchmatch", TwoTensors(const Tensor& source, const Tensor& target, const Tensor& source_valid,
                                               int64_t kernel_size, int64_t iterations, int64_t seed,
                                               const OptionalTensor& init, const OptionalTensor& where)>;

// source [B,C,Hs,Ws], target [B,C,H,W], residual [B,R,Hs,Ws], floating, source_valid [B|1,1,Hs,Ws] with 1 = usable,
// mask [B|1,1,H,W] -> [B,R,H,W] in residual's dtype, 0 outside the hole
using DetailTransfer =
    Op<"detail_transfer",
       OneTensor(const Tensor& source, const Tensor& target, const Tensor& residual, const Tensor& source_valid,
                 const Tensor& mask, int64_t kernel_size, int64_t iterations, int64_t seed)>;

// image [B,C,H,W] floating, mask [B|1,1,H,W] -> [B,C,H,W] like image, known pixels bit for bit
//   tol, max_iter      the primal-dual gap relative to the energy; iterations a level of the pyramid, at most
//   kernel_size, seed  side of the compared windows, odd; of the draws
using TvInpaint = Op<"tv_inpaint", OneTensor(const Tensor& image, const Tensor& mask, double tol, int64_t max_iter)>;
using EfrosLeung = Op<"efros_leung", OneTensor(const Tensor& image, const Tensor& mask, int64_t kernel_size,
                                               int64_t seed, int64_t reach)>;

}  // namespace inpaintx::ops
