// The structs of sigmax.h as those of sigmax.hpp: sizes of versions, defaults, reading and writing. Only for c_api.cpp.
#pragma once

#include <algorithm>
#include <cstring>

// Without padding no later member can land where an old caller's bytes are not zero.
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
#include "sigmax/sigmax.h"
#pragma GCC diagnostic pop
#include "validate.hpp"

namespace sigmax {

template <class T>
constexpr bool same(T value, std::int32_t number) {
  return static_cast<std::int32_t>(value) == number;
}
static_assert(same(status_code::ok, sigmax_status_ok) &&
              same(status_code::invalid_argument, sigmax_status_invalid_argument) &&
              same(status_code::shape_mismatch, sigmax_status_shape_mismatch) &&
              same(status_code::overlap, sigmax_status_overlap) &&
              same(status_code::unsupported, sigmax_status_unsupported) &&
              same(status_code::unavailable, sigmax_status_unavailable) &&
              same(status_code::backend_error, sigmax_status_backend_error));
static_assert(same(dtype::f32, sigmax_dtype_f32) && same(dtype::f16, sigmax_dtype_f16) &&
              same(dtype::bf16, sigmax_dtype_bf16) && same(dtype::boolean, sigmax_dtype_boolean) &&
              same(dtype::i32, sigmax_dtype_i32) && same(dtype::i64, sigmax_dtype_i64) &&
              same(dtype::f8_e4m3, sigmax_dtype_f8_e4m3) && same(dtype::f8_e5m2, sigmax_dtype_f8_e5m2) &&
              same(dtype::i8, sigmax_dtype_i8));
static_assert(same(backend::automatic, sigmax_backend_automatic) && same(backend::cpu, sigmax_backend_cpu) &&
              same(backend::cuda, sigmax_backend_cuda));
static_assert(same(accuracy::high, sigmax_accuracy_high) && same(accuracy::fast, sigmax_accuracy_fast));
static_assert(same(memory::host, sigmax_memory_host) && same(memory::cuda, sigmax_memory_cuda) &&
              same(memory::managed, sigmax_memory_managed));
static_assert(max_rank == SIGMAX_MAX_RANK);

/// The size of each struct in the first version that had it. Never changes.
template <class T>
inline constexpr std::size_t first_size = 0;
template <>
inline constexpr std::size_t first_size<sigmax_view> = 160;
template <>
inline constexpr std::size_t first_size<sigmax_options> = 80;
template <>
inline constexpr std::size_t first_size<sigmax_softmax_form> = 104;
template <>
inline constexpr std::size_t first_size<sigmax_cross_entropy_form> = 32;
template <>
inline constexpr std::size_t first_size<sigmax_gating_form> = 32;
template <>
inline constexpr std::size_t first_size<sigmax_quantisation> = 32;
template <>
inline constexpr std::size_t first_size<sigmax_explanation> = 304;
template <>
inline constexpr std::size_t first_size<sigmax_activation_info> = 48;
template <>
inline constexpr std::size_t first_size<sigmax_parameter_info> = 32;
template <>
inline constexpr std::size_t first_size<sigmax_isa_info> = 32;
template <>
inline constexpr std::size_t first_size<sigmax_staging_memory> = 24;
template <>
inline constexpr std::size_t first_size<sigmax_calibration> = 72;

/// No version's struct will be larger; what claims to be was not initialised.
inline constexpr std::size_t most_size = 4096;

template <class T>
status check_size(const char* name, const T* given) noexcept {
  static_assert(first_size<T> > 0 && first_size<T> <= sizeof(T) && sizeof(T) <= most_size);
  if (given == nullptr) return failure(status_code::invalid_argument, "%s is null", name);
  if (given->struct_size < first_size<T> || given->struct_size > most_size) {
    return failure(status_code::invalid_argument, "%s: struct_size is %zu, which no version of the struct has", name,
                   given->struct_size);
  }
  return {};
}

/// What the caller's version of the struct has goes to `out`, which holds the defaults.
template <class T>
status read_struct(const char* name, const T* given, T& out) noexcept {
  if (status s = check_size(name, given); !s) return s;
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  const auto is_set = [](unsigned char b) { return b != 0; };
  if (std::any_of(bytes + std::min(sizeof(T), given->struct_size), bytes + given->struct_size, is_set))
    return failure(status_code::unsupported, "%s: asks for something that version %s does not have", name, version());
  std::memcpy(&out, given, std::min(sizeof(T), given->struct_size));
  return {};
}

/// What the caller's version of the struct has is taken from `value`, the rest becomes zero.
template <class T>
void write_struct(T value, T* out, std::size_t struct_size) noexcept {
  if (out == nullptr) return;
  value.struct_size = struct_size;
  std::memset(out, 0, struct_size);
  std::memcpy(out, &value, std::min(sizeof(T), struct_size));
}

inline status reserved_is_zero(const char* name, std::int32_t reserved) noexcept {
  if (reserved == 0) return {};
  return failure(status_code::unsupported, "%s: reserved is %d, not 0", name, reserved);
}

// The defaults are those of sigmax.hpp.

inline sigmax_view default_view() noexcept {
  sigmax_view v{};
  v.struct_size = sizeof v;
  return v;
}

inline sigmax_options default_options() noexcept {
  const options d;
  return {sizeof(sigmax_options),
          {d.parameters.first, d.parameters.second},
          static_cast<std::int32_t>(d.accuracy),
          static_cast<std::int32_t>(d.where),
          d.isa,
          d.stream,
          {d.threads.run, d.threads.context, d.threads.concurrency, 0},
          d.slice,
          d.slices,
          d.dependent_launch,
          0};
}

inline sigmax_softmax_form default_softmax_form() noexcept {
  const softmax_form d;
  return {sizeof(sigmax_softmax_form),
          d.logarithm,
          d.causal,
          d.nan_if_masked,
          d.scale,
          d.softcap,
          d.output_scale,
          d.offset,
          d.window,
          nullptr,
          nullptr,
          nullptr,
          nullptr,
          nullptr,
          nullptr,
          nullptr};
}

inline sigmax_cross_entropy_form default_cross_entropy_form() noexcept {
  const cross_entropy_form d;
  return {sizeof(sigmax_cross_entropy_form), d.scale, d.label_smoothing, d.ignore_index, nullptr};
}

inline sigmax_gating_form default_gating_form() noexcept {
  const gating_form d;
  return {sizeof(sigmax_gating_form), d.sigmoid, d.renormalise, d.scale, 0, nullptr};
}

inline sigmax_quantisation default_quantisation() noexcept {
  const quantisation d;
  return {sizeof(sigmax_quantisation), d.scale, 0, nullptr, nullptr};
}

/// Reads the arguments of one call. The first fault stays.
class reader {
 public:
  // Not inlined: 40 copies would be most of the C API's code.
  [[gnu::noinline]] view tensor(const char* name, const sigmax_view* given) noexcept {
    sigmax_view v = default_view();
    view out;
    if (!fault_.ok() || !keep(read_struct(name, given, v)) || !keep(reserved_is_zero(name, v.reserved))) return out;
    out.data = v.data;
    out.type = static_cast<dtype>(v.type);
    out.where = static_cast<memory>(v.where);
    out.rank = v.rank;
    std::copy(v.shape, v.shape + max_rank, out.shape);
    std::copy(v.strides, v.strides + max_rank, out.strides);
    return out;
  }
  /// In C++ a view without data is off, as `out` is; here a null pointer is, and a view must have what it promises.
  template <class Pointer>
  void optional(const char* name, const sigmax_view* given, basic_view<Pointer>& out) noexcept {
    if (given == nullptr) return;
    out = tensor(name, given);
    if (!fault_.ok() || out.data != nullptr) return;
    static std::max_align_t nothing;  // what no byte of an empty view is read from or written to
    if (out.rank >= 0 && out.rank <= max_rank && element_count(out) == 0)
      out.data = &nothing;
    else
      keep(failure(status_code::invalid_argument, "%s: data is null; what is off is a null pointer", name));
  }

  [[gnu::noinline]] options how(const sigmax_options* given) noexcept {
    sigmax_options o = default_options();
    options out;
    if (given == nullptr || !fault_.ok() || !keep(read_struct("options", given, o)) ||
        !keep(reserved_is_zero("options.threads", o.threads.reserved)) ||
        !keep(reserved_is_zero("options", o.reserved)))
      return out;
    out.parameters = {o.parameters[0], o.parameters[1]};
    out.accuracy = static_cast<accuracy>(o.accuracy);
    out.where = static_cast<backend>(o.where);
    out.isa = o.isa;
    out.stream = o.stream;
    out.threads = {o.threads.run, o.threads.context, o.threads.concurrency};
    out.slice = o.slice;
    out.slices = o.slices;
    out.dependent_launch = o.dependent_launch != 0;
    return out;
  }

  softmax_form form(const sigmax_softmax_form* given) noexcept {
    sigmax_softmax_form f = default_softmax_form();
    softmax_form out;
    if (given == nullptr || !fault_.ok() || !keep(read_struct("form", given, f))) return out;
    out.logarithm = f.logarithm != 0;
    out.causal = f.causal != 0;
    out.nan_if_masked = f.nan_if_masked != 0;
    out.scale = f.scale;
    out.softcap = f.softcap;
    out.output_scale = f.output_scale;
    out.offset = f.offset;
    out.window = f.window;
    optional("form.row_scale", f.row_scale, out.row_scale);
    optional("form.slopes", f.slopes, out.slopes);
    optional("form.mask", f.mask, out.mask);
    optional("form.sinks", f.sinks, out.sinks);
    optional("form.max", f.max, out.max);
    optional("form.sum", f.sum, out.sum);
    optional("form.lse", f.lse, out.lse);
    return out;
  }

  cross_entropy_form form(const sigmax_cross_entropy_form* given) noexcept {
    sigmax_cross_entropy_form f = default_cross_entropy_form();
    cross_entropy_form out;
    if (given == nullptr || !fault_.ok() || !keep(read_struct("form", given, f))) return out;
    out.scale = f.scale;
    out.label_smoothing = f.label_smoothing;
    out.ignore_index = f.ignore_index;
    optional("form.lse", f.lse, out.lse);
    return out;
  }

  gating_form form(const sigmax_gating_form* given) noexcept {
    sigmax_gating_form f = default_gating_form();
    gating_form out;
    if (given == nullptr || !fault_.ok() || !keep(read_struct("form", given, f)) ||
        !keep(reserved_is_zero("form", f.reserved)))
      return out;
    out.sigmoid = f.sigmoid != 0;
    out.renormalise = f.renormalise != 0;
    out.scale = f.scale;
    optional("form.bias", f.bias, out.bias);
    return out;
  }

  staging_memory staging(const sigmax_staging_memory* given) noexcept {
    sigmax_staging_memory m{sizeof m, nullptr, 0};
    if (given != nullptr && fault_.ok()) keep(read_struct("memory", given, m));
    return {m.pinned, m.bytes};
  }

  calibration figures(const sigmax_calibration* given) noexcept {
    sigmax_calibration c{};
    calibration out;
    if (!fault_.ok() || !keep(read_struct("figures", given, c))) return out;
    if (c.activations < 0 || (c.activations > 0 && c.cpu_ns_per_element == nullptr)) {
      keep(failure(status_code::invalid_argument, "figures: %lld activations", static_cast<long long>(c.activations)));
      return out;
    }
    out.cpu_ns_per_element = {c.cpu_ns_per_element, static_cast<std::size_t>(c.activations)};
    out.host_bytes_per_second = c.host_bytes_per_second;
    out.host_bytes_per_second_at_most = c.host_bytes_per_second_at_most;
    out.bytes_per_second_to_device = c.bytes_per_second_to_device;
    out.bytes_per_second_from_device = c.bytes_per_second_from_device;
    out.device_bytes_per_second = c.device_bytes_per_second;
    out.launch_ns = c.launch_ns;
    return out;
  }

  quantisation codes(const sigmax_quantisation* given) noexcept {
    sigmax_quantisation q = default_quantisation();
    quantisation out;
    if (given == nullptr || !fault_.ok() || !keep(read_struct("quantisation", given, q)) ||
        !keep(reserved_is_zero("quantisation", q.reserved)))
      return out;
    out.scale = q.scale;
    optional("quantisation.row_scales", q.row_scales, out.row_scales);
    optional("quantisation.amax", q.amax, out.amax);
    return out;
  }

  /// The call, if there was no fault.
  template <class Call>
  status then(Call call) const noexcept {
    return fault_.ok() ? call() : fault_;
  }

 private:
  bool keep(const status& s) noexcept {
    if (!s) fault_ = s;
    return s.ok();
  }
  status fault_;  ///< once there is one nothing more is read: the text of a message is the thread's
};

}  // namespace sigmax
