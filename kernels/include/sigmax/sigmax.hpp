// sigmax: activation functions and softmax over tensors, on CPUs and NVIDIA GPUs. The whole public C++ API.
//
// Every function is noexcept and [[nodiscard]], validates all it is given before it writes a byte, and neither
// allocates, prints, starts threads, synchronises nor touches the floating-point environment. Calls on disjoint
// outputs may run at the same time from any number of threads.
// The exceptions: the CUDA runtime loads its driver when it is first asked, by `cuda_available`, `explain` or a call on
// device memory; `warm_up` and `cool_down` allocate and free; host tensors on CUDA wait for the device.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#if defined(_WIN32) || !defined(SIGMAX_SHARED)
#define SIGMAX_API
#else
#define SIGMAX_API __attribute__((visibility("default")))
#endif

namespace sigmax {

/// The activation functions. `describe` gives formula, parameters and error bound of each.
enum class activation : std::int32_t {
#define SIGMAX_ACTIVATION(name) name,
#include <sigmax/activations.def>
#undef SIGMAX_ACTIVATION
};

/// The gated forms: functions of two tensors a and b, one of which opens or closes the other.
enum class gate : std::int32_t {
#define SIGMAX_GATE(name) name,
#include <sigmax/gates.def>
#undef SIGMAX_GATE
};

/// Storage formats: IEEE binary32, IEEE binary16, bfloat16 (the upper half of a binary32).
/// Arithmetic is binary32 for all; results are rounded to nearest, ties to even. `boolean` is one byte, true if not 0,
/// and only for masks; `i32` and `i64` are only for indices: the targets of a loss, the experts of a gate. `f8_e4m3` (1
/// sign, 4 exponent, 3 mantissa bits, no infinity, up to 448: "fn"), `f8_e5m2` (up to 57344; Micikevicius et al.,
/// arXiv:2209.05433; OCP OFP8) and `i8` are only for the outputs of the calls that take a `quantisation`.
enum class dtype : std::int32_t { f32, f16, bf16, boolean, i32, i64, f8_e4m3, f8_e5m2, i8 };

enum class backend : std::int32_t { automatic, cpu, cuda };

/// How exact f32 results are. Both tiers use exactly rounded operations only, so both give the same bits on every ISA
/// with FMA. `high`: `activation_info::bound_f32`. `fast`: `bound_fast` where the activation has a second, shorter
/// form, else the same form as `high`; results below 2^-126 may become 0. On CUDA elementwise results of 16 bits are
/// those of `high`. Softmax tells its own.
enum class accuracy : std::int32_t { high, fast };

/// Where a view's bytes live: those of all views of a call in one kind of memory. `managed` is CUDA managed memory,
/// which both sides can reach.
enum class memory : std::int32_t { host, cuda, managed };

/// 16-bit storage. The bits are IEEE binary16 and bfloat16; there is no arithmetic on these types.
struct float16 {
  std::uint16_t bits;
};
struct bfloat16 {
  std::uint16_t bits;
};
/// 8-bit storage, as `dtype` tells.
struct float8_e4m3 {
  std::uint8_t bits;
};
struct float8_e5m2 {
  std::uint8_t bits;
};

template <class T>
inline constexpr std::optional<dtype> dtype_of = std::nullopt;
template <>
inline constexpr std::optional<dtype> dtype_of<bool> = dtype::boolean;
template <>
inline constexpr std::optional<dtype> dtype_of<float> = dtype::f32;
template <>
inline constexpr std::optional<dtype> dtype_of<std::int32_t> = dtype::i32;
template <>
inline constexpr std::optional<dtype> dtype_of<std::int64_t> = dtype::i64;
template <>
inline constexpr std::optional<dtype> dtype_of<float16> = dtype::f16;
template <>
inline constexpr std::optional<dtype> dtype_of<bfloat16> = dtype::bf16;
template <>
inline constexpr std::optional<dtype> dtype_of<float8_e4m3> = dtype::f8_e4m3;
template <>
inline constexpr std::optional<dtype> dtype_of<float8_e5m2> = dtype::f8_e5m2;
template <>
inline constexpr std::optional<dtype> dtype_of<std::int8_t> = dtype::i8;

inline constexpr int max_rank = 8;

/// A tensor in somebody else's memory. Strides count elements, may be zero or negative (not for outputs: no two
/// elements of an output may share memory), and `data` points at the element whose indices are all zero. Any
/// alignment of a whole element will do. A view of rank 0 is one element, which calls along an axis refuse: they want
/// rank 1 at least. A zero in `shape` makes an empty view, whose `data` may be null. Spans above 2^60 bytes are
/// refused.
template <class Pointer>
struct basic_view {
  Pointer data = nullptr;
  dtype type = dtype::f32;
  memory where = memory::host;
  std::int32_t rank = 0;
  std::int64_t shape[max_rank] = {};
  std::int64_t strides[max_rank] = {};

  constexpr basic_view() = default;

  /// `count` contiguous elements.
  template <class T>
  requires(dtype_of<std::remove_const_t<T>>.has_value() &&
           std::convertible_to<T*, Pointer>) constexpr basic_view(T* elements, std::int64_t count) noexcept
      : basic_view(elements, *dtype_of<std::remove_const_t<T>>, {count}) {}

  /// A dense row-major tensor. More than max_rank extents give rank max_rank + 1, which every call refuses.
  template <class T>
  requires(dtype_of<std::remove_const_t<T>>.has_value() &&
           std::convertible_to<T*, Pointer>) constexpr basic_view(T* elements,
                                                                  std::initializer_list<std::int64_t> extents) noexcept
      : basic_view(elements, *dtype_of<std::remove_const_t<T>>, extents) {}
  constexpr basic_view(Pointer first, dtype t, std::initializer_list<std::int64_t> extents) noexcept
      : basic_view(first, t, std::span(extents.begin(), extents.size())) {}
  constexpr basic_view(Pointer first, dtype t, std::span<const std::int64_t> extents) noexcept
      : data(first), type(t), rank(clamped_rank(extents.size())) {
    for (std::size_t i = 0; i < extents.size() && i < max_rank; ++i) shape[i] = extents[i];
    std::uint64_t stride = 1;  // unsigned: a product that wraps is refused later, and must not be undefined here
    for (int i = (rank > max_rank ? max_rank : rank) - 1; i >= 0; --i) {
      strides[i] = static_cast<std::int64_t>(stride);
      stride *= static_cast<std::uint64_t>(shape[i]);
    }
  }

  /// A strided tensor. Extents and strides of different lengths give rank max_rank + 1, which every call refuses.
  constexpr basic_view(Pointer first, dtype t, std::span<const std::int64_t> extents,
                       std::span<const std::int64_t> steps) noexcept
      : data(first), type(t), rank(extents.size() == steps.size() ? clamped_rank(extents.size()) : max_rank + 1) {
    for (int i = 0; i < rank && rank <= max_rank; ++i) {
      shape[i] = extents[static_cast<std::size_t>(i)];
      strides[i] = steps[static_cast<std::size_t>(i)];
    }
  }

  /// A writable view is also a readable one.
  template <class Other>
  requires(!std::same_as<Other, Pointer> && std::convertible_to<Other, Pointer>) constexpr basic_view(
      const basic_view<Other>& other) noexcept  // NOLINT(google-explicit-constructor)
      : data(other.data), type(other.type), where(other.where), rank(other.rank) {
    for (int i = 0; i < max_rank; ++i) {
      shape[i] = other.shape[i];
      strides[i] = other.strides[i];
    }
  }

 private:
  static constexpr std::int32_t clamped_rank(std::size_t n) noexcept {
    return n > max_rank ? max_rank + 1 : static_cast<std::int32_t>(n);
  }
};
using view = basic_view<void*>;
using const_view = basic_view<const void*>;

enum class status_code : std::int32_t {
  ok,
  invalid_argument,  ///< null data, unknown enum value, bad rank, axis, parameter or slice, two kinds of memory
  shape_mismatch,    ///< the views do not have the same shape
  overlap,           ///< output overlaps itself or an input it is not identical with, as far as strides tell
  unsupported,       ///< valid, but not offered: a dtype or a memory kind by this backend
  unavailable,       ///< a backend or ISA that this machine or build does not have
  backend_error,     ///< the CUDA runtime refused; it may be the fault of earlier work on the device
};

/// What a call returns. `message` says what was wrong, in words with the offending numbers; it is never null and
/// stays valid until the next failing call on the same thread.
struct [[nodiscard]] status {
  status_code code = status_code::ok;
  const char* message = "ok";
  constexpr bool ok() const noexcept { return code == status_code::ok; }
  constexpr explicit operator bool() const noexcept { return ok(); }
};

/// Marks a parameter that was not given: the activation's default applies.
inline constexpr float default_parameter = std::numeric_limits<float>::quiet_NaN();

/// The parameters of an activation or gate, in the order and with the meaning that `describe(op).parameters` tells.
/// Must be finite where given; clip's bounds may be infinite. A parameter that the function does not have must not be
/// given.
struct parameters {
  float first = default_parameter;
  float second = default_parameter;
};

/// The caller's threads: `run(context, tasks, task, argument)` must call `task(argument, i)` once for every i in
/// [0, tasks), in any order and on any threads, and return when all are done. `concurrency` is how many tasks it
/// can run at a time. Null `run` means the calling thread does everything.
struct parallel_for {
  void (*run)(void* context, std::int64_t tasks, void (*task)(void* argument, std::int64_t index),
              void* argument) = nullptr;
  void* context = nullptr;
  std::int32_t concurrency = 1;
};

struct options {
  sigmax::parameters parameters{};
  sigmax::accuracy accuracy = sigmax::accuracy::high;  ///< `activation_gradient` has one form for both
  backend where = backend::automatic;                  ///< which SIGMAX_BACKEND decides if set: cpu, cuda or automatic
  /// The CPU ISA by name ("sse2", "avx2", "avx512", "neon64" ...); null: SIGMAX_ISA if set, else the best there is.
  const char* isa = nullptr;
  /// cudaStream_t of the current device. CUDA calls are asynchronous on it, can be captured in a graph (make one like
  /// it before, for CUDA loads a kernel at its first call), and report only what goes wrong before and at the launch.
  /// Host tensors on CUDA do not use it: see `warm_up`.
  void* stream = nullptr;
  parallel_for threads{};
  /// Does only this part of the work, for callers that run one call on each of their own threads: slice i of n
  /// covers a contiguous part of the elements (of the rows for softmax); all n slices together do everything.
  std::int32_t slice = 0;
  std::int32_t slices = 1;
  /// CUDA, sm_90 and later: this kernel, C, may be brought onto the device while the one before it on the stream, B,
  /// still ends (programmatic dependent launch). C waits for B's results before it reads. Set it if B is a kernel of
  /// sigmax, or one that was launched without the attribute, or one that waits for its own predecessor A (by
  /// griddepcontrol.wait) before it ends: of another B's end does not say that A has ended. Saves microseconds in
  /// chains of short kernels.
  bool dependent_launch = false;
};

/// y[i] = op(x[i]). Shapes must be equal; dtypes may differ. In place: y identical with x (data, type, shape,
/// strides); any other overlap is refused. Synchronous on the CPU.
[[nodiscard]] SIGMAX_API status activate(activation op, const const_view& x, const view& y,
                                         const options& how = {}) noexcept;

/// dx[i] = dy[i] * op'(x[i]): the backward pass of `activate`. At a kink the derivative is that of one of its sides:
/// relu'(0) = 0, leaky_relu'(0) its slope. NaN in x gives NaN. dx may be identical with dy or with x; any other overlap
/// is refused.
[[nodiscard]] SIGMAX_API status activation_gradient(activation op, const const_view& dy, const const_view& x,
                                                    const view& dx, const options& how = {}) noexcept;

/// How a and b lie in one tensor, along an axis of 2 n elements.
enum class gate_layout : std::int32_t {
  halves,          ///< a, then b
  swapped_halves,  ///< b, then a
  interleaved,     ///< a[0] b[0] a[1] b[1] ...
};
template <class Pointer>
struct gate_views {
  basic_view<Pointer> a, b;
};

/// The views of a and b in `packed`; an axis below 0 counts from the end. An odd extent, an axis that is not there or
/// an unknown layout gives views of rank max_rank + 1, which every call refuses.
template <class Pointer>
[[nodiscard]] constexpr gate_views<Pointer> split(const basic_view<Pointer>& packed, gate_layout layout,
                                                  int axis = -1) noexcept {
  gate_views<Pointer> parts{packed, packed};
  const int i = axis < 0 ? axis + packed.rank : axis;
  const bool known = layout >= gate_layout::halves && layout <= gate_layout::interleaved;
  if (packed.rank < 0 || packed.rank > max_rank || i < 0 || i >= packed.rank || packed.shape[i] % 2 != 0 || !known) {
    parts.a.rank = parts.b.rank = max_rank + 1;
    return parts;
  }
  const std::int64_t n = packed.shape[i] / 2;
  parts.a.shape[i] = parts.b.shape[i] = n;
  auto distance = static_cast<std::uint64_t>(packed.strides[i]);  // unsigned, as in basic_view
  if (layout == gate_layout::interleaved)
    parts.a.strides[i] = parts.b.strides[i] = static_cast<std::int64_t>(2 * distance);
  else
    distance *= static_cast<std::uint64_t>(n);
  if (packed.data != nullptr) {
    const dtype t = packed.type;
    const std::uint64_t size = t == dtype::i64                       ? 8
                               : t == dtype::f32 || t == dtype::i32  ? 4
                               : t == dtype::f16 || t == dtype::bf16 ? 2
                                                                     : 1;
    const auto address = reinterpret_cast<std::uintptr_t>(packed.data) + distance * size;
    (layout == gate_layout::swapped_halves ? parts.a : parts.b).data = reinterpret_cast<Pointer>(address);
  }
  return parts;
}

/// y[i] = op(a[i], b[i]), the IEEE product of an activation of one and the other as `describe(op).formula` tells: so
/// NaN in either gives NaN, 0 inf is NaN, and signs multiply, those of zeros too. Only swiglu_oai's factor u + 1 is not
/// rounded by itself, and its clamps keep infinities out. f(-inf) is the activation's limit, -0.
/// Shapes must be equal; dtypes may differ; strides are free, so that any layout is two views (`split`). Interleaved
/// ones are fast on the CPU if a comes first and the pairs are dense; on CUDA they take the kernel for any strides. In
/// place: y identical with a or with b; any other overlap is refused. Synchronous on the CPU.
[[nodiscard]] SIGMAX_API status activate_gated(gate op, const const_view& a, const const_view& b, const view& y,
                                               const options& how = {}) noexcept;

/// da[i] = dy[i] * (d op / d a), db[i] = dy[i] * (d op / d b) at a[i], b[i]: the backward pass of `activate_gated`,
/// one form for both tiers. Kinks as in `activation_gradient`. da and db may each be identical with dy, a or b, not
/// with one another; any other overlap is refused.
[[nodiscard]] SIGMAX_API status gated_gradient(gate op, const const_view& dy, const const_view& a, const const_view& b,
                                               const view& da, const view& db, const options& how = {}) noexcept;

/// y = exp(x - max) / sum(exp(x - max)) along `axis` (negative: from the end). The same bits for every number of
/// threads, batch, position and FMA-capable ISA; each f32 result within 3.5 ULP and r(n) of the exact one, under
/// accuracy::fast 6 + |x - max| / 16. A row that holds NaN or +inf, or only -inf, becomes NaN. In place as in
/// `activate`. No parameters.
/// r(n) here and below is what the sum of n columns is off by, relatively: 2^-45 and, where thousands of them are equal
/// and round alike, up to n^2 2^-54, from 16384 on n 2^-40.
[[nodiscard]] SIGMAX_API status softmax(const const_view& x, const view& y, int axis = -1,
                                        const options& how = {}) noexcept;

/// y = (x - max) - log(sum(exp(x - max))) along `axis`, within r(n) and, below -2^-22, 2 ULP, 3 where
/// y > -2^-10; under accuracy::fast within 2.5 ULP or 2^-22, whichever is more. Otherwise as `softmax`.
[[nodiscard]] SIGMAX_API status log_softmax(const const_view& x, const view& y, int axis = -1,
                                            const options& how = {}) noexcept;

/// What an engine fuses with a softmax. A default member is off and costs nothing; a view without data is off, too.
/// From the elements x of a row come its scores t, each step rounded once to f32, in this order:
///   t = x (scale row_scale)                the factor rounded to f32 first
///   t = softcap tanh(t / softcap)          as activation::softcap
///   t = t + slope (j - q)                  ALiBi; one rounding; j - q itself is rounded beyond 2^24
///   t = t + mask[j]                        -inf if mask[j] is -inf or false, whatever t is
///   t = -inf for j > q                     if causal; also for j <= q - window if there is a window
/// j is the index along the axis; q = offset + the index along the dimension before it (offset alone if the axis is the
/// first one). What is masked by position is not read. So the results are those of `softmax` on a tensor of these
/// scores, to the bit.
/// `mask` has the shape of x; the views of rows have it with an extent of 1 along the axis. Zero strides broadcast.
///
/// Rows without a score above -inf, the sink's included:
///
/// | of which call | y, with `logarithm` | max | sum | lse |
/// |---|---|---|---|---|
/// | `softmax_fused` with a mask, `causal` or sinks | 0, -inf | -inf | 0 | -inf |
/// | `softmax_finish` with a mask or `causal` | 0, -inf | - | - | - |
/// | both without | NaN | -inf | NaN | NaN |
/// | `softmax_partial` | - | -inf | 0 | -inf |
/// | any of them with `nan_if_masked` | NaN | -inf | NaN | NaN |
/// | any of them, of no columns | - | -inf | 0 | -inf |
///
/// A row with a NaN, or whose largest score is +inf, has NaN in y, sum and lse.
struct softmax_form {
  bool logarithm = false;  ///< log_softmax
  float scale = 1;         ///< finite; -1 makes softmax softmin
  const_view row_scale{};  ///< for example 1 / temperature
  float softcap = 0;       ///< 0: none; Gemma 2, arXiv:2408.00118
  const_view slopes{};     ///< one a head, broadcast; Press et al., arXiv:2108.12409
  const_view mask{};       ///< f32, f16, bf16: added; boolean: true takes part
  bool causal = false;
  std::int64_t offset = 0;  ///< queries start behind so many keys; as 2^40 does what is beyond +-2^40
  std::int64_t window = 0;  ///< 0: none; needs `causal`; as 2^40 does what is beyond
  /// A further score that takes part in maximum and sum but has no column (attention sinks, arXiv:2309.17453).
  const_view sinks{};
  bool nan_if_masked = false;  ///< see the table above
  float output_scale = 1;      ///< y = output_scale * softmax; finite, must be 1 with `logarithm`

  view max{};  ///< out: the largest score that is not NaN, the sink's included, never -0; -inf if there is none
  view sum{};  ///< out: sum of exp(t - max), within 2 ULP and r(n), under accuracy::fast 5
  view lse{};  ///< out: max + log(sum), within 0.51 ULP, 2^-23 and r(n), under accuracy::fast 2^-21
};

/// softmax or log_softmax of a row's scores, with what `form` asks for. Error as in `softmax`, counted from the scores.
/// y may be identical with x and overlap nothing else; no other output may overlap anything.
[[nodiscard]] SIGMAX_API status softmax_fused(const const_view& x, const view& y, int axis, const softmax_form& form,
                                              const options& how = {}) noexcept;

/// Only `form.max`, `form.sum` and `form.lse`: logsumexp, or one part of rows that are cut into several. At least one
/// must be given. `nan_if_masked` belongs in `softmax_finish` alone: a part without a score is no row without one.
[[nodiscard]] SIGMAX_API status softmax_partial(const const_view& x, int axis, const softmax_form& form,
                                                const options& how = {}) noexcept;

/// y from x and the state of the whole row, which is read from `form.max` and `form.sum` (f32): the second half of
/// `softmax_partial`. `form.sinks` must be off, they are in the state, and so must `form.lse`. So a row of -inf alone,
/// its sink, too, counts as plain here unless the form has a mask or is causal.
[[nodiscard]] SIGMAX_API status softmax_finish(const const_view& x, const view& y, int axis, const softmax_form& form,
                                               const options& how = {}) noexcept;

/// What a part of a row contributes: its largest score and the sum of exp(t - max). The default is that of no scores.
struct softmax_state {
  float max = -std::numeric_limits<float>::infinity();
  float sum = 0;
};
/// The state of two parts together. Commutative to the bit (of finite sums); sums below 2^100 within 0.51 ULP
/// whatever the maxima, so n merges stay within n. A NaN in either makes the sum NaN.
[[nodiscard]] SIGMAX_API softmax_state merge(softmax_state a, softmax_state b) noexcept;

/// dx = scale y (dy - sum(dy y)) along `axis`: the backward pass of y = softmax(scale x). Within 2.5 ULP of that and
/// |scale y| max|dy| 2 r(n), unless |scale y| is below 2^-126. Where the row's sum, or dy less that, is not finite, dx
/// is NaN. dx may be identical with dy or with y; otherwise as `softmax`.
[[nodiscard]] SIGMAX_API status softmax_gradient(const const_view& dy, const const_view& y, const view& dx,
                                                 int axis = -1, float scale = 1, const options& how = {}) noexcept;

/// dx = scale (dy - exp(y) sum(dy)), from y = log_softmax(scale x); within 4 ULP of max(|dx|, |scale dy|) and
/// |scale exp(y)| sum|dy| 2 r(n), unless exp(y) is below 2^-126. Otherwise as `softmax_gradient`.
[[nodiscard]] SIGMAX_API status log_softmax_gradient(const const_view& dy, const const_view& y, const view& dx,
                                                     int axis = -1, float scale = 1, const options& how = {}) noexcept;

/// The loss of classification, from logits x and one target index a row. With t = scale x, n classes, e =
/// label_smoothing:
///   loss = (1 - e) (lse(t) - t[target]) + e (lse(t) - mean(t))
/// Szegedy et al., arXiv:1512.00567. Rows whose target is ignore_index are not read; their loss is 0, their lse -inf
/// and their gradient 0.
struct cross_entropy_form {
  float scale = 1;                   ///< finite
  float label_smoothing = 0;         ///< in [0, 1]
  std::int64_t ignore_index = -100;  ///< PyTorch's default; need not be a class
  view lse{};                        ///< a row's lse(t), as exact as softmax_form's; for the gradient's use
};

/// `targets` is i32 or i64, each in [0, n) or ignore_index (on CUDA nobody checks: another makes the loss NaN); it,
/// `loss` and lse have the shape of x with an extent of 1 along the axis. |error| of the loss: 2 ULP + 2 r(n) (1 +
/// |lse - t[target]|), with smoothing 3 ULP of the larger of its two terms, 2 r(n) and 2^-50 max|t|; one form for both
/// tiers. NaN, +inf or nothing but -inf in a row makes NaN. No output may overlap anything.
[[nodiscard]] SIGMAX_API status cross_entropy(const const_view& x, const const_view& targets, const view& loss,
                                              int axis = -1, const cross_entropy_form& form = {},
                                              const options& how = {}) noexcept;

/// dx = dloss scale (softmax(t) - (1 - e) [j = target] - e / n): `dloss` has one value a row, for the mean over m rows
/// 1 / m broadcast by zero strides. Within 3 ULP of the larger term, where softmax(t) - 1 counts as one, and
/// |dloss scale| r(n). With `form.lse` (f32) as `cross_entropy` left it x is read once and no sum is formed, which is
/// faster; but what lse was rounded by makes each probability wrong by up to |lse| 2^-24 + 2^-23 of it, also where 1
/// is taken off. dx may be identical with x and overlap nothing else.
[[nodiscard]] SIGMAX_API status cross_entropy_gradient(const const_view& dloss, const const_view& x,
                                                       const const_view& targets, const view& dx, int axis = -1,
                                                       const cross_entropy_form& form = {},
                                                       const options& how = {}) noexcept;

/// The gate of a mixture of experts: x holds a row's logits, one for each expert.
struct gating_form {
  /// Scores are softmax(x) over all experts (Shazeer et al., arXiv:1701.06538), or sigmoid(x) (DeepSeek-V3,
  /// arXiv:2412.19437).
  bool sigmoid = false;
  bool renormalise = true;  ///< the weights of a row add up to `scale`
  float scale = 1;          ///< finite
  const_view bias{};        ///< added to the scores for the choice alone (arXiv:2408.15664); the shape of x
};

/// The experts with the k largest scores, falling, ties to the lower index, and their weights = scale score, divided by
/// the sum of the row's chosen scores if they are renormalised. `weights` (f32, f16, bf16) and `experts` (i32, i64)
/// have the shape of x, which is at most 1024 along the axis, with k there. Without a bias the choice is by x itself,
/// so scores that round to the same number keep their order; NaN counts as the largest. Weights are within 3.5 ULP,
/// of renormalised sigmoids 5.5, of a softmax under accuracy::fast 6 + |x - max|; and 2^-121. NaN or +inf in a row, or
/// only -inf, makes weights NaN as in `softmax`; +inf is no such thing to sigmoids, and where they are not renormalised
/// NaN stays where it is. Experts are always k different ones. No output may overlap anything.
[[nodiscard]] SIGMAX_API status top_k_gating(const const_view& x, const view& weights, const view& experts,
                                             int axis = -1, const gating_form& form = {},
                                             const options& how = {}) noexcept;

/// How results become 8 bits: q = the number of y's dtype that is nearest to v / scale, ties to even, where v is the
/// f32 result of the call without quantisation, and the quotient is rounded to f32 once. So q scale is v to within half
/// a step of q times scale, and 2^-24 |v|. Beyond the largest number, 448, 57344 or 127 (-128 below), it is that
/// number: infinities, too. NaN becomes 0x7f, a NaN, and as i8, which has none, 0, which adds nothing to a product. The
/// zero of a negative v keeps its sign in 8-bit floats. The same codes on every ISA with FMA. With `row_scales` each
/// row (token) along the axis has its own scale, amax / 448, 57344 or 127, at least 2^-126. amax is the largest finite
/// |v| of the row, 0 if there is none; so rows of zeros have 2^-126 and codes 0, infinities saturate, and neither they
/// nor a NaN spoils the other elements.
struct quantisation {
  float scale = 1;    ///< of the whole tensor: positive, normal, finite; must be 1 with `row_scales`
  view row_scales{};  ///< out, f32: the scale of each row; the shape of y with an extent of 1 along the axis
  view amax{};        ///< out, f32: of each row, as above; its largest is what delayed scaling wants
};

/// `activate` and `activate_gated` with quantised results. y is f8_e4m3, f8_e5m2 or i8; no output may overlap anything.
/// `axis` is that of the rows, one of x's, though nothing depends on it without row_scales and amax. Inputs are read
/// once, but a row of more than 16384 columns, of which row_scales wants the largest first, twice. Rows are not shared
/// by threads or blocks.
[[nodiscard]] SIGMAX_API status activate_quantised(activation op, const const_view& x, const view& y, int axis,
                                                   const quantisation& codes, const options& how = {}) noexcept;
[[nodiscard]] SIGMAX_API status activate_gated_quantised(gate op, const const_view& a, const const_view& b,
                                                         const view& y, int axis, const quantisation& codes,
                                                         const options& how = {}) noexcept;

/// `softmax_fused` with quantised results. x is read as often as there, but on the CPU rows of more than 8192 columns
/// once more with row_scales or amax. Where f32 results of CPU and CUDA differ in their last bits, a code next to a
/// middle of two may be the other one of them, and a scale differs as they do.
[[nodiscard]] SIGMAX_API status softmax_quantised(const const_view& x, const view& y, int axis,
                                                  const softmax_form& form, const quantisation& codes,
                                                  const options& how = {}) noexcept;

/// What a call would do and why, without doing it. Whether the staging memory has room for a row of a host tensor on
/// CUDA is not looked at.
struct explanation {
  backend where = backend::cpu;
  const char* isa = "";  ///< the name of the ISA; "" where none applies
  /// Which loop: "contiguous", "interleaved", "blocks" or, on CUDA, "strided" (any strides and dtypes). Softmax: on the
  /// CPU "rows", or "columns" where x is strided; on CUDA a name for people.
  const char* kernel = "";
  sigmax::accuracy accuracy = sigmax::accuracy::high;  ///< `fast` where a second form runs
  bool streaming = false;                              ///< non-temporal stores
  std::int64_t tasks = 0;                              ///< how many pieces `threads.run` would be given; 1 when serial
  char reason[256] = "";                               ///< one sentence on the choice of backend and ISA
  /// What the call is estimated to take on either side (`set_calibration`); 0: no estimate.
  double cpu_ns = 0, cuda_ns = 0;
};
[[nodiscard]] SIGMAX_API status explain(activation op, const const_view& x, const view& y, const options& how,
                                        explanation& out) noexcept;
[[nodiscard]] SIGMAX_API status explain_gated(gate op, const const_view& a, const const_view& b, const view& y,
                                              const options& how, explanation& out) noexcept;
[[nodiscard]] SIGMAX_API status explain_softmax(const const_view& x, const view& y, int axis, const options& how,
                                                explanation& out) noexcept;

/// Facts about an activation, straight from its definition.
struct parameter_info {
  std::string_view name;
  float default_value;
  float lowest, highest;  ///< values outside are refused
};
struct activation_info {
  std::string_view name;
  std::string_view formula;
  std::string_view source;  ///< where the formula comes from
  std::span<const parameter_info> parameters;
  float bound_f32;  ///< largest error in ULP of a normal f32 result at default parameters, on ISAs with FMA
  /// The same under `accuracy::fast`, in ULP of max(|result|, 2^-20 min(1, |x|)); none: one form serves both tiers.
  std::optional<float> bound_fast;
};
/// Of a number that is no activation: one that is called "unknown", without parameters.
[[nodiscard]] SIGMAX_API const activation_info& describe(activation op) noexcept;
[[nodiscard]] SIGMAX_API std::span<const activation> all_activations() noexcept;
[[nodiscard]] SIGMAX_API std::optional<activation> find_activation(std::string_view name) noexcept;

/// The same of a gate y = f(x) v, where (x, v) is (a, b) or (b, a). bound_f32: |error| is at most that many ULP of y
/// plus 2^-148 |v|, what a subnormal f(x) may be off by. bound_fast: in ULP of max(|y|, 2^-20 min(1, |x|) |v|).
using gate_info = activation_info;
[[nodiscard]] SIGMAX_API const gate_info& describe(gate op) noexcept;
[[nodiscard]] SIGMAX_API std::span<const gate> all_gates() noexcept;
[[nodiscard]] SIGMAX_API std::optional<gate> find_gate(std::string_view name) noexcept;

/// The CPU ISA variants of this build, best first; `usable` tells whether this machine can run one.
struct isa_info {
  const char* name;
  std::int32_t lanes;  ///< f32 values a vector
  bool fma;            ///< bit-identical with every other ISA that says so
  bool usable;
};
[[nodiscard]] SIGMAX_API std::span<const isa_info> cpu_isas() noexcept;

/// Whether the CUDA backend can be used here, and if not why.
[[nodiscard]] SIGMAX_API status cuda_available() noexcept;

/// The memory through which host tensors go to CUDA and back.
struct staging_memory {
  /// Pinned memory of the caller's (cudaHostAlloc), which stays the library's to use until `cool_down`; null: it is
  /// allocated.
  void* pinned = nullptr;
  std::int64_t bytes = 0;  ///< 0 without `pinned`: 12 MiB; at least 192 KiB + 256
};

/// Makes, once for the current device, what host tensors on CUDA need: pinned memory unless it is given, as much memory
/// on the device, and three streams. Not for hot paths: it allocates, and takes milliseconds. Where it has been called
/// it does nothing, but refuses another `pinned`. Any thread may call it at any time.
///
/// From then on `activate`, `activation_gradient`, `activate_gated`, `softmax` and `log_softmax` take dense host
/// tensors on CUDA (`backend::cuda`), `activate_gated` also a and b that share dense memory, as halves of rows or
/// interleaved. A row of softmax, or of halves with its results, must fit a third of `bytes`. They go in chunks that
/// are copied in, computed and copied out, so that these overlap, with the results of device tensors. Such a call is
/// synchronous: the CPU copies to and from the pinned memory, on options.threads, and the result is in y when it
/// returns. It runs on streams of its own, waits for nothing on options.stream, and may not be made while this thread
/// captures a graph. Calls for one device take turns; none may be made in a signal handler. After `backend_error` y (in
/// place: x) may be partly written. Without `warm_up` the call is `unavailable`.
[[nodiscard]] SIGMAX_API status warm_up(const staging_memory& given = {}) noexcept;
/// Frees it, for the current device, when a call that is under way has ended. Nothing to free is fine.
[[nodiscard]] SIGMAX_API status cool_down() noexcept;

/// What things cost on this machine, as the caller has measured them. 0: not measured.
struct calibration {
  /// By activation: of f32 in cache, accuracy::high, on one thread. What is not there was not measured.
  std::span<const float> cpu_ns_per_element{};
  double host_bytes_per_second = 0;          ///< copying beyond the caches, on one thread; read and written bytes
  double host_bytes_per_second_at_most = 0;  ///< the same on all threads
  double bytes_per_second_to_device = 0;     ///< from pinned memory
  double bytes_per_second_from_device = 0;
  double device_bytes_per_second = 0;  ///< copying on the device; read and written bytes
  double launch_ns = 0;                ///< copy in, launch and copy out of next to nothing
};

/// Lets `backend::automatic` choose by estimates for dense host and managed tensors of `activate` and
/// `activation_gradient`; without it, and for all else, they stay on the CPU, and so they do unless CUDA is estimated
/// to be faster: where a figure that is needed is 0, an ISA is named, the CPU has no FMA (bits would differ), up to
/// 16384 elements, or host tensors before `warm_up`. Managed memory counts as if it had to move both ways, and may then
/// be computed asynchronously on options.stream. Softmax always stays, for the last bits of its sums are the backend's.
/// The figures are copied. Callers on other threads may see some of the old figures while it runs.
[[nodiscard]] SIGMAX_API status set_calibration(const calibration& figures) noexcept;

/// "1.2.3"
[[nodiscard]] SIGMAX_API const char* version() noexcept;

}  // namespace sigmax
