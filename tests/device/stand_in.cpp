// A device whose memory is the host's and which PyTorch takes for another one: what has to be copied to the host, or to
// the device, has to be copied here, too, and operations refuse tensors of both. New memory is NaN, so that nothing
// passes which reads values that nobody wrote there.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/as_strided_cpu_dispatch.h>
#include <ATen/ops/set_cpu_dispatch.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/alloc_cpu.h>
#include <torch/library.h>

#include <cstring>
#include <vector>

namespace {

constexpr auto TYPE = c10::DeviceType::PrivateUse1;
const c10::Device HERE(TYPE, 0);
const c10::DispatchKeySet KEYS(c10::DispatchKey::PrivateUse1);

// --- what PyTorch asks of a device ---------------------------------------------------------------

struct Memory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    void* at = bytes ? c10::alloc_cpu(bytes) : nullptr;
    if (bytes) std::memset(at, 0xff, bytes);
    return {at, at, &c10::free_cpu, HERE};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &c10::free_cpu; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }
} memory;
REGISTER_ALLOCATOR(TYPE, &memory);

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return TYPE; }
  c10::Device exchangeDevice(c10::Device) const override { return HERE; }
  c10::Device getDevice() const override { return HERE; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device device) const override { return c10::Stream(c10::Stream::DEFAULT, device); }
  c10::Stream exchangeStream(c10::Stream stream) const override { return stream; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

struct Hooks final : at::PrivateUse1HooksInterface {
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  bool isAvailable() const override { return true; }
  at::Device getDeviceFromPtr(void*) const override { return HERE; }
  at::Generator getNewGenerator(c10::DeviceIndex) const override { return at::make_generator<at::CPUGeneratorImpl>(); }
  bool isPinnedPtr(const void*) const override { return false; }
} hooks;
const bool registered = (at::RegisterPrivateUse1HooksInterface(&hooks), true);

// --- memory ----------------------------------------------------------------------------------------

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &memory, KEYS, c10::dtype_or_default(dtype), format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> dtype,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &memory, KEYS, c10::dtype_or_default(dtype));
}

// The host's tensor of the same memory.
at::Tensor host(const at::Tensor& tensor) {
  if (tensor.device().type() != TYPE) return tensor;
  c10::DataPtr same(tensor.storage().mutable_data(), c10::Device(at::kCPU));
  c10::Storage storage(c10::Storage::use_byte_size_t(), tensor.storage().nbytes(), std::move(same),
                       c10::GetCPUAllocator(), /*resizable=*/true);
  at::Tensor none = at::empty({0}, tensor.options().device(at::kCPU));
  return none.set_(storage, tensor.storage_offset(), tensor.sizes(), tensor.strides());
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool) {
  host(to).copy_(host(from));
  return to;
}

at::Tensor as_strided(const at::Tensor& tensor, c10::SymIntArrayRef size, c10::SymIntArrayRef stride,
                      std::optional<c10::SymInt> offset) {
  auto start = offset ? std::optional<int64_t>(offset->expect_int()) : std::nullopt;
  return at::cpu::as_strided(tensor, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride), start);
}

at::Tensor& set_storage(at::Tensor& tensor, at::Storage storage) { return at::cpu::set_(tensor, storage); }

at::Tensor& set_part(at::Tensor& tensor, at::Storage storage, int64_t offset, at::IntArrayRef size,
                     at::IntArrayRef stride) {
  return at::cpu::set_(tensor, storage, offset, size, stride);
}

const at::Tensor& resize(const at::Tensor& tensor, at::IntArrayRef size, std::optional<at::MemoryFormat> format) {
  return at::native::resize_(tensor, size, format);
}

// --- operations ------------------------------------------------------------------------------------

at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                       at::IntArrayRef stride, at::IntArrayRef pad, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef output_pad, int64_t groups) {
  std::optional<at::Tensor> on_host;
  if (bias && bias->defined()) on_host = host(*bias);
  return at::convolution(host(x), host(weight), on_host, stride, pad, dilation, transposed, output_pad, groups)
      .to(HERE);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(
    const at::Tensor& d_y, const at::Tensor& x, const at::Tensor& weight, at::IntArrayRef stride, at::IntArrayRef pad,
    at::IntArrayRef dilation, bool transposed, at::IntArrayRef output_pad, int64_t groups, std::array<bool, 3> wanted) {
  std::vector<int64_t> bias = {transposed ? weight.size(1) * groups : weight.size(0)};
  auto [d_x, d_weight, d_bias] = at::convolution_backward(
      host(d_y), host(x), host(weight), at::OptionalIntArrayRef(bias), stride, pad, dilation, transposed, output_pad,
      groups, wanted);
  auto back = [](const at::Tensor& made) { return made.defined() ? made.to(HERE) : made; };
  return {back(d_x), back(d_weight), back(d_bias)};
}

// One call of the CPU's kernel, with the host's tensors for the device's.
class Call {
 public:
  explicit Call(const c10::OperatorHandle& op) : op_(op) {}

  void run(torch::jit::Stack* stack) {
    for (auto at = stack->end() - op_.schema().arguments().size(); at != stack->end(); ++at)
      replace(*at, [this](const at::Tensor& tensor) { return lend(tensor); });
    op_.callBoxed(stack);
    for (const auto& [lent, tensor] : lent_) resized(lent, tensor);
    for (auto at = stack->end() - op_.schema().returns().size(); at != stack->end(); ++at)
      replace(*at, [this](const at::Tensor& tensor) { return back(tensor); });
  }

 private:
  template <class F>
  static void replace(c10::IValue& value, F by) {
    if (value.isTensor()) {
      value = by(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> all;
      for (const at::Tensor& each : value.toTensorVector()) all.push_back(by(each));
      value = all;
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> all;
      for (const std::optional<at::Tensor>& each : value.toOptionalTensorList())
        all.push_back(each ? std::optional<at::Tensor>(by(*each)) : each);
      value = all;
    } else if (value.isDevice()) {
      value = c10::Device(at::kCPU);
    }
  }

  at::Tensor lend(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    if (tensor.device().type() != TYPE) {
      TORCH_CHECK(tensor.dim() == 0, op_.schema().name(), ": a tensor of the host beside the device's, of shape ",
                  tensor.sizes());
      return tensor;
    }
    lent_.emplace_back(host(tensor), tensor);
    return lent_.back().first;
  }

  // What an operation has given another shape, it has given other memory.
  static void resized(const at::Tensor& lent, const at::Tensor& tensor) {
    if (lent.sizes() == tensor.sizes()) return;
    at::native::resize_(tensor, lent.sizes(), std::nullopt);
    host(tensor).copy_(lent);
  }

  at::Tensor back(const at::Tensor& made) {
    if (!made.defined()) return made;
    for (const auto& [lent, tensor] : lent_) {
      if (made.is_same(lent)) return tensor;
      if (made.is_alias_of(lent))
        return at::as_strided(tensor, made.sizes(), made.strides(), made.storage_offset());
    }
    return made.to(HERE);
  }

  const c10::OperatorHandle& op_;
  std::vector<std::pair<at::Tensor, at::Tensor>> lent_;  // the host's, the device's
};

void call(const c10::OperatorHandle& op, torch::jit::Stack* stack) { Call(op).run(stack); }

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) { library.fallback(torch::CppFunction::makeFromBoxedFunction<&call>()); }

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &empty_strided);
  library.impl("_copy_from", &copy_from);
  library.impl("as_strided", &as_strided);
  library.impl("set_.source_Storage", &set_storage);
  library.impl("set_.source_Storage_storage_offset", &set_part);
  library.impl("resize_", &resize);
  library.impl("convolution_overrideable", &convolution);
  library.impl("convolution_backward_overrideable", &convolution_backward);
}

}  // namespace
