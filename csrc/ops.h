// Every op as a C++ function: the dispatcher's typed entry, so that autograd, autocast and devices apply.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <tuple>

namespace inpaintx::ops {

// x [B,Cin,H,W], mask [B|1, 1|Cin, H, W] with 1 = hole, weight [Cout,Cin,kh,kw], bias [Cout]
// -> y [B,Cout,Ho,Wo], new_mask [B,1,Ho,Wo] in the mask's dtype
std::tuple<at::Tensor, at::Tensor> partial_conv2d(const at::Tensor& x, const at::Tensor& mask, const at::Tensor& weight,
                                                  const std::optional<at::Tensor>& bias, at::IntArrayRef stride,
                                                  at::IntArrayRef padding, at::IntArrayRef dilation, bool scale_by_sum);

// x [B,Cin,H,W], weight [Cout,Cin,3,3], bias [Cout] -> y [B,Cout,Ho,Wo]
at::Tensor conv3x3(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                   at::IntArrayRef padding);

// mask [B,1,H,W] -> P [B,1,H,W] float32
at::Tensor spd_map(const at::Tensor& mask, int64_t n, int64_t kernel_size, bool improved, double k, bool freeze);

// x [B,C,H,W] -> cells [B,Cy,Cx,bins] and blocks [B,By,Bx,block,block,bins]
std::tuple<at::Tensor, at::Tensor> hog(const at::Tensor& x, int64_t cell, int64_t block, int64_t bins, double clip);

// x, y [B,C,H,W], weight [B|1,1,H,W] -> [B], the mean over pixels and channels
at::Tensor ssim(const at::Tensor& x, const at::Tensor& y, const std::optional<at::Tensor>& weight, int64_t window,
                double sigma, double data_range);

// x, gamma, beta [B,C,H,W], probability [B,1,H,W] -> [B,C,H,W]
at::Tensor spd_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, const at::Tensor& probability,
                    double eps);

// source [B,C,Hs,Ws], target [B,C,H,W], source_valid [B|1,1,Hs,Ws] with 1 = usable, init [B,H,W,2], where [B,1,H,W]
// bool
// -> nnf [B,H,W,2] int32 (row, column), cost [B,H,W] float32
std::tuple<at::Tensor, at::Tensor> patchmatch(const at::Tensor& source, const at::Tensor& target,
                                              const at::Tensor& source_valid, int64_t patch, int64_t iterations,
                                              int64_t seed, const std::optional<at::Tensor>& init,
                                              const std::optional<at::Tensor>& where);

// image [B,C,H,W], mask [B|1,1,H,W] with 1 = hole -> [B,C,H,W]
at::Tensor tv_inpaint(const at::Tensor& image, const at::Tensor& mask, double tol, int64_t max_iter);
at::Tensor efros_leung(const at::Tensor& image, const at::Tensor& mask, int64_t window, int64_t seed);

}  // namespace inpaintx::ops
