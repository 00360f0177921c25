// One function for each kernel of kernels.h: it finds the types of the tensors and the device, and passes pointers.
// Types: four dtypes of images, each with the type that it accumulates in, times two types of masks. Shapes have been
// checked and are not looked at again.
#include "partial_conv/elementwise.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "common/allocator.h"
#include "common/dispatch.h"
#include "common/layout.h"
#include "common/mask_tensor.h"
#include "common/torch_cuda.h"

namespace inpaintx::partial_conv {
namespace {

using at::Tensor;

Image image_of(const Tensor& x) { return {x.size(0), x.size(1), x.size(2) * x.size(3), !x.is_contiguous()}; }

}  // namespace

Tensor scratch_like(const Tensor& x) {
  return x.nbytes() < kFresh ? at::empty_like(x) : empty_result(x.sizes(), x.options(), layout_of(x));
}

Tensor apply_mask(const Tensor& x, const Tensor& mask, const Tensor& out) {
  dispatch_mask(mask, [&](auto m) {
    using mask_t = decltype(m);
    dispatch_floating(x, [&](auto scalar, auto) {
      using scalar_t = decltype(scalar);
      INPAINTX_LAUNCH(x, partial_conv, apply_mask,
                      ApplyMask<scalar_t, mask_t>{image_of(x), x.const_data_ptr<scalar_t>(), mask_data<mask_t>(mask),
                                                  mask.size(0), mask.size(1), out.mutable_data_ptr<scalar_t>()});
    });
  });
  return out;
}

// new_mask has the dtype of the mask as kernels read it; the op casts it back to the caller's.
RatioAndMask mask_ratio(const Convolution& c, const Tensor& masked) {
  const Window& w = c.window;
  const Tensor ratio = at::empty({w.batch, 1, w.out_height, w.out_width}, c.x.options().dtype(accumulation_type(c.x)));
  const Tensor new_mask = at::empty(ratio.sizes(), c.mask.options());
  dispatch_floating(ratio, [&](auto, auto accumulate) {
    using acc_t = decltype(accumulate);
    dispatch_mask(c.mask, [&](auto m) {
      using mask_t = decltype(m);
      MaskRatio<acc_t, mask_t> a{w, mask_data<mask_t>(c.mask), ratio.mutable_data_ptr<acc_t>(),
                                 mutable_mask_data<mask_t>(new_mask)};
      if (masked.defined()) a.x = c.x.const_data_ptr<float>(), a.masked = masked.mutable_data_ptr<float>();
      INPAINTX_LAUNCH(c.x, partial_conv, mask_ratio, a);
    });
  });
  return {ratio, new_mask};
}

void rescale(const Tensor& y, const Tensor& ratio, const Tensor& bias) {
  dispatch_floating(y, [&](auto scalar, auto accumulate) {
    using scalar_t = decltype(scalar);
    using acc_t = decltype(accumulate);
    INPAINTX_LAUNCH(y, partial_conv, rescale,
                    Rescale<scalar_t, acc_t>{image_of(y), y.mutable_data_ptr<scalar_t>(), ratio.const_data_ptr<acc_t>(),
                                             bias.defined() ? bias.const_data_ptr<scalar_t>() : nullptr});
  });
}

Tensor scale_gradient(const Tensor& grad_output, const Tensor& ratio, const Tensor& out, bool with_bias) {
  const Tensor grad_bias = with_bias ? at::empty({grad_output.size(1)}, ratio.options()) : Tensor();
  const Image image = image_of(grad_output);
  Tensor parts;
#ifdef INPAINTX_WITH_CUDA
  if (with_bias && on_cuda(grad_output)) parts = at::empty({cuda::bias_parts(image), image.channels}, ratio.options());
#endif
  dispatch_floating(grad_output, [&](auto scalar, auto accumulate) {
    using scalar_t = decltype(scalar);
    using acc_t = decltype(accumulate);
    INPAINTX_LAUNCH(grad_output, partial_conv, scale_gradient,
                    ScaleGradient<scalar_t, acc_t>{image, grad_output.const_data_ptr<scalar_t>(),
                                                   ratio.const_data_ptr<acc_t>(), out.mutable_data_ptr<scalar_t>(),
                                                   with_bias ? grad_bias.mutable_data_ptr<acc_t>() : nullptr,
                                                   parts.defined() ? parts.mutable_data_ptr<acc_t>() : nullptr});
  });
  return grad_bias;
}

}  // namespace inpaintx::partial_conv
