#include "validate.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "kernel_table.hpp"

namespace sigmax {

status failure(status_code code, const char* format, ...) noexcept {
  static thread_local char text[256];
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return {code, text};
}

status validate_finite(const char* name, float v) noexcept {
  constexpr float largest = std::numeric_limits<float>::max();
  if (v >= -largest && v <= largest) return {};
  return failure(status_code::invalid_argument, "%s is %g, not finite", name, static_cast<double>(v));
}

namespace {

enum class role { tensor, mask, indices, codes };

bool fits(dtype type, role wanted) noexcept {
  const bool floating = type == dtype::f32 || type == dtype::f16 || type == dtype::bf16;
  if (wanted == role::indices) return type == dtype::i32 || type == dtype::i64;
  if (wanted == role::codes) return type == dtype::f8_e4m3 || type == dtype::f8_e5m2 || type == dtype::i8;
  return floating || (type == dtype::boolean && wanted == role::mask);
}

status validate_view(const char* name, const const_view& v, std::int64_t& count, role wanted = role::tensor) noexcept {
  using enum status_code;
  if (v.rank < 0 || v.rank > max_rank)
    return failure(invalid_argument, "%s: rank %d is not in [0, %d]%s", name, v.rank, max_rank,
                   v.rank == max_rank + 1 ? " (extents and strides that do not fit, or a failed split)" : "");
  if (v.type < dtype::f32 || v.type > dtype::i8)
    return failure(invalid_argument, "%s: dtype %d is unknown", name, static_cast<int>(v.type));
  if (!fits(v.type, wanted))
    return failure(unsupported, "%s: %s", name,
                   wanted == role::indices ? "must be i32 or i64"
                   : wanted == role::mask  ? "a mask must be f32, f16, bf16 or boolean"
                   : wanted == role::codes ? "must be f8_e4m3, f8_e5m2 or i8"
                   : fits(v.type, role::codes)
                       ? "must be f32, f16 or bf16; 8 bits are for the outputs of calls with a quantisation"
                       : "must be f32, f16 or bf16");
  if (v.where != memory::host && v.where != memory::cuda && v.where != memory::managed)
    return failure(invalid_argument, "%s: memory kind %d is unknown", name, static_cast<int>(v.where));
  for (int i = 0; i < v.rank; ++i)
    if (v.shape[i] < 0)
      return failure(invalid_argument, "%s: shape[%d] is %lld", name, i, static_cast<long long>(v.shape[i]));
  count = element_count(v);
  if (count < 0) return failure(invalid_argument, "%s: the number of elements does not fit 63 bits", name);
  if (count == 0) return {};
  if (v.data == nullptr) return failure(invalid_argument, "%s: data is null", name);
  if (reinterpret_cast<std::uintptr_t>(v.data) % static_cast<std::uintptr_t>(size_of(v.type)) != 0)
    return failure(invalid_argument, "%s: data is not aligned to a whole element", name);
  byte_range range;
  if (!byte_range_of(v, range))
    return failure(invalid_argument, "%s: shape and strides reach beyond the address space", name);
  return {};
}

/// b's name may tell what has that shape.
status same_shape(const named_view& a, const named_view& b) noexcept {
  if (a.view->rank != b.view->rank)
    return failure(status_code::shape_mismatch, "%s has rank %d, not the %d of %s", a.name, a.view->rank, b.view->rank,
                   b.name);
  for (int i = 0; i < a.view->rank; ++i)
    if (a.view->shape[i] != b.view->shape[i])
      return failure(status_code::shape_mismatch, "%s.shape[%d] is %lld, not the %lld of %s", a.name, i,
                     static_cast<long long>(a.view->shape[i]), static_cast<long long>(b.view->shape[i]), b.name);
  return {};
}

/// A view of a call with many, in the order in which they are compared: inputs first.
struct part {
  enum use { needed, optional, optional_output, output, in_place };
  const char* name;
  const const_view* view;
  const const_view* shape;  ///< one with the shape it must have
  use as = needed;          ///< in_place: an output that may be identical with the first part
  role wanted = role::tensor;
};
template <std::size_t n>
status validate_parts(const part (&parts)[n], const char* other_shape = "x with 1 along the axis") noexcept {
  using enum status_code;
  const const_view& x = *parts[0].view;
  std::int64_t count = 0;
  for (const part& p : parts) {
    if (p.view->data == nullptr && (p.as == part::optional || p.as == part::optional_output)) continue;
    if (status s = validate_view(p.name, *p.view, count, p.wanted); !s) return s;
    if (status s = same_shape({p.name, p.view}, {p.shape == &x ? parts[0].name : other_shape, p.shape}); !s) return s;
    if (p.view->where != x.where)
      return failure(invalid_argument, "%s and %s live in different kinds of memory", parts[0].name, p.name);
    if (p.as == part::needed || p.as == part::optional || count == 0) continue;
    if (!elements_distinct(*p.view)) return failure(overlap, "%s: its strides make elements share memory", p.name);
    for (const part& q : parts) {
      if (&q == &p) break;
      if (q.view->data == nullptr || element_count(*q.view) == 0) continue;
      const bool allowed = p.as == part::in_place && &q == &parts[0] && identical(x, *p.view);
      if (!allowed && may_overlap(*p.view, *q.view)) return failure(overlap, "%s overlaps %s", p.name, q.name);
    }
  }
  return {};
}

status validate_row_output(const char* name, const view& v) noexcept {
  using enum status_code;
  const bool off = v.rank == 0 || (v.rank > 0 && v.rank <= max_rank && element_count(v) == 0);
  if (v.data == nullptr && !off) return failure(invalid_argument, "quantisation.%s: data is null", name);
  if (v.data != nullptr && v.type != dtype::f32) return failure(unsupported, "quantisation.%s: must be f32", name);
  return {};
}

status validate_quantisation(const quantisation& codes) noexcept {
  using enum status_code;
  constexpr float smallest = std::numeric_limits<float>::min(), largest = std::numeric_limits<float>::max();
  if (!(codes.scale >= smallest && codes.scale <= largest))
    return failure(invalid_argument, "quantisation.scale is %g, not a positive, normal, finite number",
                   static_cast<double>(codes.scale));
  if (codes.row_scales.data != nullptr && codes.scale != 1)
    return failure(invalid_argument, "quantisation.scale is %g, but quantisation.row_scales gives each row its own",
                   static_cast<double>(codes.scale));
  if (status s = validate_row_output("row_scales", codes.row_scales); !s) return s;
  return validate_row_output("amax", codes.amax);
}

}  // namespace

status validate_views(const named_view* views, int n, extent_of_call& extent, int outputs) noexcept {
  std::int64_t& count = extent.count;
  const int inputs = n - outputs;
  const named_view& last = views[n - 1];
  extent.dense = true;
  for (int i = 0; i < n - 1; ++i)
    for (int o = std::max(i + 1, inputs); o < n; ++o) {
      const const_view &v = *views[i].view, &out = *views[o].view;
      extent.dense = extent.dense && dense_and_apart(v, out, count) && (i < inputs || v.data != out.data);
    }
  if (extent.dense) return {};
  for (int i = 0; i < n; ++i)
    if (status s = validate_view(views[i].name, *views[i].view, count); !s) return s;
  for (int i = 0; i < n - 1; ++i) {
    if (status s = same_shape(views[i], last); !s) return s;
    if (views[i].view->where != last.view->where)
      return failure(status_code::invalid_argument, "%s and %s live in different kinds of memory", views[i].name,
                     last.name);
  }
  if (count == 0) return {};
  for (int o = inputs; o < n; ++o) {
    const named_view& output = views[o];
    if (!elements_distinct(*output.view))
      return failure(status_code::overlap, "%s: its strides make elements share memory", output.name);
    for (int i = 0; i < o; ++i) {
      if ((i < inputs && identical(*views[i].view, *output.view)) || !may_overlap(*views[i].view, *output.view))
        continue;
      return failure(status_code::overlap, "%s overlaps %s%s", output.name, views[i].name,
                     i < inputs ? " without being identical with it" : "");
    }
  }
  return {};
}

status resolve_axis(const const_view& x, int& axis) noexcept {
  if (x.rank == 0) return failure(status_code::invalid_argument, "axis %d: a tensor of rank 0 has no axis", axis);
  if (axis < -x.rank || axis >= x.rank)
    return failure(status_code::invalid_argument, "axis %d is not in [%d, %d)", axis, -x.rank, x.rank);
  if (axis < 0) axis += x.rank;
  return {};
}

status validate_form(const const_view& x, const const_view* y, int& axis, const softmax_form& form, bool reads_state,
                     const quantisation* codes) noexcept {
  using enum status_code;
  std::int64_t count = 0;
  if (status s = validate_view("x", x, count); !s) return s;
  if (status s = resolve_axis(x, axis); !s) return s;
  if (status s = validate_finite("form.scale", form.scale); !s) return s;
  if (status s = validate_finite("form.output_scale", form.output_scale); !s) return s;
  if (form.logarithm && form.output_scale != 1)
    return failure(invalid_argument, "form.output_scale is %g: a logarithm is not scaled",
                   static_cast<double>(form.output_scale));
  const parameter_info& cap = describe(activation::softcap).parameters[0];
  if (form.softcap != 0 && !(form.softcap >= cap.lowest && form.softcap <= cap.highest))
    return failure(invalid_argument, "form.softcap is %g, not 0 and not in [%g, %g]", static_cast<double>(form.softcap),
                   static_cast<double>(cap.lowest), static_cast<double>(cap.highest));
  if (form.window < 0) return failure(invalid_argument, "form.window is %lld", static_cast<long long>(form.window));
  if (form.window > 0 && !form.causal) return failure(invalid_argument, "form.window needs form.causal");

  const_view row_shape = x;
  row_shape.shape[axis] = 1;
  const const_view max = form.max, sum = form.sum, lse = form.lse;
  const bool rows = element_count(row_shape) > 0;  // else data may be null
  if (reads_state) {
    if (rows && (max.data == nullptr || sum.data == nullptr))
      return failure(invalid_argument, "form.%s, the state to finish with, has no data",
                     max.data == nullptr ? "max" : "sum");
    if (max.type != dtype::f32 || sum.type != dtype::f32)
      return failure(unsupported, "form.%s: the state to finish with must be f32",
                     max.type != dtype::f32 ? "max" : "sum");
    if (lse.data != nullptr) return failure(invalid_argument, "form.lse is not computed from a given state");
    if (form.sinks.data != nullptr) return failure(invalid_argument, "form.sinks: the given state must hold them");
  } else if (rows && y == nullptr && max.data == nullptr && sum.data == nullptr && lse.data == nullptr) {
    return failure(invalid_argument, "form.max, form.sum and form.lse have no data: nothing to do");
  }
  if (codes != nullptr)
    if (status s = validate_quantisation(*codes); !s) return s;
  const const_view row_scales = codes != nullptr ? const_view(codes->row_scales) : const_view{},
                   amax = codes != nullptr ? const_view(codes->amax) : const_view{};
  const part::use of_y = codes != nullptr ? part::output : y != nullptr ? part::in_place : part::needed;
  const part parts[] = {{"x", &x, &x},
                        {"form.row_scale", &form.row_scale, &row_shape, part::optional},
                        {"form.slopes", &form.slopes, &row_shape, part::optional},
                        {"form.mask", &form.mask, &x, part::optional, role::mask},
                        {"form.sinks", &form.sinks, &row_shape, part::optional},
                        {"form.max", &max, &row_shape, reads_state ? part::needed : part::optional_output},
                        {"form.sum", &sum, &row_shape, reads_state ? part::needed : part::optional_output},
                        {"form.lse", &lse, &row_shape, part::optional_output},
                        {"quantisation.row_scales", &row_scales, &row_shape, part::optional_output},
                        {"quantisation.amax", &amax, &row_shape, part::optional_output},
                        {"y", y != nullptr ? y : &x, &x, of_y, codes != nullptr ? role::codes : role::tensor}};
  return validate_parts(parts);
}

status validate_quantised(const named_view* inputs, int n, const const_view& y, int& axis,
                          const quantisation& codes) noexcept {
  const named_view &first = inputs[0], &last = inputs[n - 1];
  std::int64_t count = 0;
  if (status s = validate_view(first.name, *first.view, count); !s) return s;
  if (status s = resolve_axis(*first.view, axis); !s) return s;
  if (status s = validate_quantisation(codes); !s) return s;
  const_view row_shape = *first.view;
  row_shape.shape[axis] = 1;
  const const_view row_scales = codes.row_scales, amax = codes.amax;
  const part parts[] = {{first.name, first.view, first.view},
                        {last.name, last.view, first.view},
                        {"y", &y, first.view, part::output, role::codes},
                        {"quantisation.row_scales", &row_scales, &row_shape, part::optional_output},
                        {"quantisation.amax", &amax, &row_shape, part::optional_output}};
  return validate_parts(parts);
}

status validate_cross_entropy(const const_view* dloss, const const_view& x, const const_view& targets,
                              const const_view& y, int& axis, const cross_entropy_form& form) noexcept {
  using enum status_code;
  std::int64_t count = 0;
  if (status s = validate_view("x", x, count); !s) return s;
  if (status s = resolve_axis(x, axis); !s) return s;
  if (status s = validate_finite("form.scale", form.scale); !s) return s;
  if (!(form.label_smoothing >= 0 && form.label_smoothing <= 1))
    return failure(invalid_argument, "form.label_smoothing is %g, not in [0, 1]",
                   static_cast<double>(form.label_smoothing));
  const_view row_shape = x;
  row_shape.shape[axis] = 1;
  const const_view lse = form.lse;
  if (dloss != nullptr && lse.data != nullptr && lse.type != dtype::f32)
    return failure(unsupported, "form.lse: the state of a row must be f32");
  const bool gradient = dloss != nullptr;
  const part parts[] = {
      {"x", &x, &x},
      {"dloss", gradient ? dloss : &x, gradient ? &row_shape : &x},
      {"targets", &targets, &row_shape, part::needed, role::indices},
      {"form.lse", &lse, &row_shape, gradient ? part::optional : part::optional_output},
      {gradient ? "dx" : "loss", &y, gradient ? &x : &row_shape, gradient ? part::in_place : part::output}};
  return validate_parts(parts);
}

status validate_targets(const const_view& targets, std::int64_t classes, const cross_entropy_form& form) noexcept {
  const const_view* const views[] = {&targets};
  const std::int64_t count = element_count(targets);
  loop_nest nest;
  make_nest(nest, views, 1, 0, -1);
  nest_cursor cursor(nest, 0);
  for (std::int64_t i = 0; i < count; ++i, cursor.advance(1)) {
    const std::int64_t target = target_at(targets.data, targets.type, cursor.offset(0));
    if (target != form.ignore_index && (target < 0 || target >= classes))
      return failure(status_code::invalid_argument, "targets: %lld is neither in [0, %lld) nor form.ignore_index, %lld",
                     static_cast<long long>(target), static_cast<long long>(classes),
                     static_cast<long long>(form.ignore_index));
  }
  return {};
}

status validate_gating(const const_view& x, const const_view& weights, const const_view& experts, int& axis,
                       const gating_form& form) noexcept {
  using enum status_code;
  std::int64_t count = 0;
  if (status s = validate_view("x", x, count); !s) return s;
  if (status s = resolve_axis(x, axis); !s) return s;
  if (status s = validate_finite("form.scale", form.scale); !s) return s;
  if (status s = validate_view("weights", weights, count); !s) return s;
  const_view chosen = x;
  chosen.shape[axis] = weights.rank == x.rank ? weights.shape[axis] : 0;
  const part parts[] = {{"x", &x, &x},
                        {"form.bias", &form.bias, &x, part::optional},
                        {"weights", &weights, &chosen, part::output},
                        {"experts", &experts, &chosen, part::output, role::indices}};
  if (status s = validate_parts(parts, "x with those of weights along the axis"); !s) return s;
  const auto k = static_cast<long long>(chosen.shape[axis]), n = static_cast<long long>(x.shape[axis]);
  if (k > n) return failure(invalid_argument, "weights: %lld of %lld experts", k, n);
  if (n > most_experts)
    return failure(unsupported, "x: %lld experts, at most %lld are supported", n, static_cast<long long>(most_experts));
  return {};
}

status validate_options(const options& how) noexcept {
  using enum status_code;
  if (how.where != backend::automatic && how.where != backend::cpu && how.where != backend::cuda)
    return failure(invalid_argument, "options.where: backend %d is unknown", static_cast<int>(how.where));
  if (how.accuracy != accuracy::high && how.accuracy != accuracy::fast)
    return failure(invalid_argument, "options.accuracy: %d is unknown", static_cast<int>(how.accuracy));
  if (how.slices < 1 || how.slice < 0 || how.slice >= how.slices)
    return failure(invalid_argument, "options: slice %d of %d", how.slice, how.slices);
  if (how.threads.run != nullptr && how.threads.concurrency < 1)
    return failure(invalid_argument, "options.threads.concurrency is %d", how.threads.concurrency);
  return {};
}

namespace {

status resolve(const activation_info& info, const parameters& given, parameters& resolved) noexcept {
  const float values[] = {given.first, given.second};
  float* const out[] = {&resolved.first, &resolved.second};
  for (std::size_t i = 0; i < 2; ++i) {
    const bool absent = values[i] != values[i];
    if (i >= info.parameters.size()) {
      if (!absent)
        return failure(status_code::invalid_argument, "%.*s takes %zu parameter%s, but number %zu is given",
                       static_cast<int>(info.name.size()), info.name.data(), info.parameters.size(),
                       info.parameters.size() == 1 ? "" : "s", i + 1);
      *out[i] = 0;
      continue;
    }
    const parameter_info& p = info.parameters[i];
    *out[i] = absent ? p.default_value : values[i];
    if (!(*out[i] >= p.lowest && *out[i] <= p.highest))
      return failure(status_code::invalid_argument, "%.*s: %.*s is %g, not in [%g, %g]",
                     static_cast<int>(info.name.size()), info.name.data(), static_cast<int>(p.name.size()),
                     p.name.data(), static_cast<double>(*out[i]), static_cast<double>(p.lowest),
                     static_cast<double>(p.highest));
  }
  return {};
}

}  // namespace

status resolve_parameters(activation op, const parameters& given, parameters& resolved) noexcept {
  if (static_cast<std::size_t>(op) >= all_activations().size())
    return failure(status_code::invalid_argument, "activation %d is unknown", static_cast<int>(op));
  return resolve(describe(op), given, resolved);
}

status resolve_parameters(gate op, const parameters& given, parameters& resolved) noexcept {
  if (static_cast<std::size_t>(op) >= all_gates().size())
    return failure(status_code::invalid_argument, "gate %d is unknown", static_cast<int>(op));
  return resolve(describe(op), given, resolved);
}

}  // namespace sigmax
