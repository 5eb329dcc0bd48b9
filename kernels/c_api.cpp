// sigmax.h on top of sigmax.hpp: reads the structs, calls, and keeps the words of a fault.
#include "c_structs.hpp"

namespace sigmax {
namespace {

thread_local const char* last_error = "ok";

sigmax_status finish(const status& s) noexcept {
  if (!s) last_error = s.message;
  return static_cast<sigmax_status>(s.code);
}

/// Where a result goes.
template <class T>
sigmax_status tell(T* out, T value) noexcept {
  if (status s = check_size("out", out); !s) return finish(s);
  write_struct(value, out, out->struct_size);
  return sigmax_status_ok;
}

template <class Call>
sigmax_status explain_with(sigmax_explanation* out, const reader& read, Call call) noexcept {
  if (status s = check_size("out", out); !s) return finish(s);
  explanation e;
  if (status s = read.then([&] { return call(e); }); !s) return finish(s);
  sigmax_explanation told{};
  told.where = static_cast<std::int32_t>(e.where);
  told.accuracy = static_cast<std::int32_t>(e.accuracy);
  told.streaming = e.streaming;
  told.tasks = e.tasks;
  told.isa = e.isa;
  told.kernel = e.kernel;
  static_assert(sizeof told.reason == sizeof e.reason);
  std::memcpy(told.reason, e.reason, sizeof told.reason);
  told.cpu_ns = e.cpu_ns;
  told.cuda_ns = e.cuda_ns;
  return tell(out, told);
}

template <class Function>
status known(std::int32_t op, std::span<const Function> all, const char* what) noexcept {
  if (op >= 0 && static_cast<std::size_t>(op) < all.size()) return {};
  return failure(status_code::invalid_argument, "%s %d is unknown", what, op);
}

sigmax_status describe_to(const activation_info& info, sigmax_activation_info* out) noexcept {
  return tell(
      out, {0, info.name.data(), info.formula.data(), info.source.data(), static_cast<int32_t>(info.parameters.size()),
            info.bound_fast.has_value(), info.bound_f32, info.bound_fast.value_or(info.bound_f32)});
}

sigmax_status describe_to(const activation_info& info, std::int32_t index, sigmax_parameter_info* out) noexcept {
  const auto parameters = info.parameters;
  if (index < 0 || static_cast<std::size_t>(index) >= parameters.size())
    return finish(failure(status_code::invalid_argument, "parameter %d of %zu", index, parameters.size()));
  const parameter_info& p = parameters[static_cast<std::size_t>(index)];
  return tell(out, {0, p.name.data(), p.default_value, p.lowest, p.highest, 0});
}

}  // namespace
}  // namespace sigmax

using namespace sigmax;

extern "C" {

const char* sigmax_version(void) noexcept { return version(); }

const char* sigmax_status_string(sigmax_status status) noexcept {
  switch (status) {
    case sigmax_status_ok: return "ok";
    case sigmax_status_invalid_argument: return "invalid_argument";
    case sigmax_status_shape_mismatch: return "shape_mismatch";
    case sigmax_status_overlap: return "overlap";
    case sigmax_status_unsupported: return "unsupported";
    case sigmax_status_unavailable: return "unavailable";
    case sigmax_status_backend_error: return "backend_error";
    default: return "unknown";
  }
}

const char* sigmax_last_error(void) noexcept { return last_error; }

void sigmax_view_init(sigmax_view* view, size_t struct_size) noexcept {
  write_struct(default_view(), view, struct_size);
}
void sigmax_options_init(sigmax_options* options, size_t struct_size) noexcept {
  write_struct(default_options(), options, struct_size);
}
void sigmax_softmax_form_init(sigmax_softmax_form* form, size_t struct_size) noexcept {
  write_struct(default_softmax_form(), form, struct_size);
}
void sigmax_cross_entropy_form_init(sigmax_cross_entropy_form* form, size_t struct_size) noexcept {
  write_struct(default_cross_entropy_form(), form, struct_size);
}
void sigmax_gating_form_init(sigmax_gating_form* form, size_t struct_size) noexcept {
  write_struct(default_gating_form(), form, struct_size);
}
void sigmax_staging_memory_init(sigmax_staging_memory* memory, size_t struct_size) noexcept {
  write_struct(sigmax_staging_memory{}, memory, struct_size);
}
void sigmax_calibration_init(sigmax_calibration* figures, size_t struct_size) noexcept {
  write_struct(sigmax_calibration{}, figures, struct_size);
}
void sigmax_quantisation_init(sigmax_quantisation* codes, size_t struct_size) noexcept {
  write_struct(default_quantisation(), codes, struct_size);
}

void sigmax_view_dense(sigmax_view* view, size_t struct_size, const void* data, sigmax_dtype type, int32_t rank,
                       const int64_t* shape) noexcept {
  sigmax_view v = default_view();
  v.data = const_cast<void*>(data);
  v.type = type;
  v.rank = rank > 0 && shape == nullptr ? -1 : rank;
  if (v.rank >= 0 && v.rank <= max_rank) {
    const basic_view<const void*> dense(data, static_cast<dtype>(type),
                                        std::span(shape, static_cast<std::size_t>(v.rank)));
    std::copy(dense.shape, dense.shape + max_rank, v.shape);
    std::copy(dense.strides, dense.strides + max_rank, v.strides);
  }
  write_struct(v, view, struct_size);
}

sigmax_status sigmax_activate(sigmax_activation op, const sigmax_view* x, const sigmax_view* y,
                              const sigmax_options* options) noexcept {
  reader read;
  const view in = read.tensor("x", x), out = read.tensor("y", y);
  const auto how = read.how(options);
  return finish(read.then([&] { return activate(static_cast<activation>(op), in, out, how); }));
}

sigmax_status sigmax_activation_gradient(sigmax_activation op, const sigmax_view* dy, const sigmax_view* x,
                                         const sigmax_view* dx, const sigmax_options* options) noexcept {
  reader read;
  const view given = read.tensor("dy", dy), in = read.tensor("x", x), out = read.tensor("dx", dx);
  const auto how = read.how(options);
  return finish(read.then([&] { return activation_gradient(static_cast<activation>(op), given, in, out, how); }));
}

sigmax_status sigmax_activate_gated(sigmax_gate op, const sigmax_view* a, const sigmax_view* b, const sigmax_view* y,
                                    const sigmax_options* options) noexcept {
  reader read;
  const view first = read.tensor("a", a), second = read.tensor("b", b), out = read.tensor("y", y);
  const auto how = read.how(options);
  return finish(read.then([&] { return activate_gated(static_cast<gate>(op), first, second, out, how); }));
}

sigmax_status sigmax_gated_gradient(sigmax_gate op, const sigmax_view* dy, const sigmax_view* a, const sigmax_view* b,
                                    const sigmax_view* da, const sigmax_view* db,
                                    const sigmax_options* options) noexcept {
  reader read;
  const view given = read.tensor("dy", dy), first = read.tensor("a", a), second = read.tensor("b", b),
             to_a = read.tensor("da", da), to_b = read.tensor("db", db);
  const auto how = read.how(options);
  return finish(
      read.then([&] { return gated_gradient(static_cast<gate>(op), given, first, second, to_a, to_b, how); }));
}

sigmax_status sigmax_softmax(const sigmax_view* x, const sigmax_view* y, int32_t axis,
                             const sigmax_options* options) noexcept {
  reader read;
  const view in = read.tensor("x", x), out = read.tensor("y", y);
  const auto how = read.how(options);
  return finish(read.then([&] { return softmax(in, out, axis, how); }));
}

sigmax_status sigmax_log_softmax(const sigmax_view* x, const sigmax_view* y, int32_t axis,
                                 const sigmax_options* options) noexcept {
  reader read;
  const view in = read.tensor("x", x), out = read.tensor("y", y);
  const auto how = read.how(options);
  return finish(read.then([&] { return log_softmax(in, out, axis, how); }));
}

sigmax_status sigmax_softmax_fused(const sigmax_view* x, const sigmax_view* y, int32_t axis,
                                   const sigmax_softmax_form* form, const sigmax_options* options) noexcept {
  reader read;
  const view in = read.tensor("x", x), out = read.tensor("y", y);
  const auto with = read.form(form);
  const auto how = read.how(options);
  return finish(read.then([&] { return softmax_fused(in, out, axis, with, how); }));
}

sigmax_status sigmax_softmax_partial(const sigmax_view* x, int32_t axis, const sigmax_softmax_form* form,
                                     const sigmax_options* options) noexcept {
  reader read;
  const view in = read.tensor("x", x);
  const auto with = read.form(form);
  const auto how = read.how(options);
  return finish(read.then([&] { return softmax_partial(in, axis, with, how); }));
}

sigmax_status sigmax_softmax_finish(const sigmax_view* x, const sigmax_view* y, int32_t axis,
                                    const sigmax_softmax_form* form, const sigmax_options* options) noexcept {
  reader read;
  const view in = read.tensor("x", x), out = read.tensor("y", y);
  const auto with = read.form(form);
  const auto how = read.how(options);
  return finish(read.then([&] { return softmax_finish(in, out, axis, with, how); }));
}

sigmax_softmax_state sigmax_merge(sigmax_softmax_state a, sigmax_softmax_state b) noexcept {
  const softmax_state whole = merge({a.max, a.sum}, {b.max, b.sum});
  return {whole.max, whole.sum};
}

sigmax_status sigmax_softmax_gradient(const sigmax_view* dy, const sigmax_view* y, const sigmax_view* dx, int32_t axis,
                                      float scale, const sigmax_options* options) noexcept {
  reader read;
  const view given = read.tensor("dy", dy), in = read.tensor("y", y), out = read.tensor("dx", dx);
  const auto how = read.how(options);
  return finish(read.then([&] { return softmax_gradient(given, in, out, axis, scale, how); }));
}

sigmax_status sigmax_log_softmax_gradient(const sigmax_view* dy, const sigmax_view* y, const sigmax_view* dx,
                                          int32_t axis, float scale, const sigmax_options* options) noexcept {
  reader read;
  const view given = read.tensor("dy", dy), in = read.tensor("y", y), out = read.tensor("dx", dx);
  const auto how = read.how(options);
  return finish(read.then([&] { return log_softmax_gradient(given, in, out, axis, scale, how); }));
}

sigmax_status sigmax_cross_entropy(const sigmax_view* x, const sigmax_view* targets, const sigmax_view* loss,
                                   int32_t axis, const sigmax_cross_entropy_form* form,
                                   const sigmax_options* options) noexcept {
  reader read;
  const view in = read.tensor("x", x), labels = read.tensor("targets", targets), out = read.tensor("loss", loss);
  const auto with = read.form(form);
  const auto how = read.how(options);
  return finish(read.then([&] { return cross_entropy(in, labels, out, axis, with, how); }));
}

sigmax_status sigmax_cross_entropy_gradient(const sigmax_view* dloss, const sigmax_view* x, const sigmax_view* targets,
                                            const sigmax_view* dx, int32_t axis, const sigmax_cross_entropy_form* form,
                                            const sigmax_options* options) noexcept {
  reader read;
  const view given = read.tensor("dloss", dloss), in = read.tensor("x", x), labels = read.tensor("targets", targets),
             out = read.tensor("dx", dx);
  const auto with = read.form(form);
  const auto how = read.how(options);
  return finish(read.then([&] { return cross_entropy_gradient(given, in, labels, out, axis, with, how); }));
}

sigmax_status sigmax_top_k_gating(const sigmax_view* x, const sigmax_view* weights, const sigmax_view* experts,
                                  int32_t axis, const sigmax_gating_form* form,
                                  const sigmax_options* options) noexcept {
  reader read;
  const view in = read.tensor("x", x), out = read.tensor("weights", weights), places = read.tensor("experts", experts);
  const auto with = read.form(form);
  const auto how = read.how(options);
  return finish(read.then([&] { return top_k_gating(in, out, places, axis, with, how); }));
}

sigmax_status sigmax_activate_quantised(sigmax_activation op, const sigmax_view* x, const sigmax_view* y, int32_t axis,
                                        const sigmax_quantisation* codes, const sigmax_options* options) noexcept {
  reader read;
  const view in = read.tensor("x", x), out = read.tensor("y", y);
  const auto to = read.codes(codes);
  const auto how = read.how(options);
  return finish(read.then([&] { return activate_quantised(static_cast<activation>(op), in, out, axis, to, how); }));
}

sigmax_status sigmax_activate_gated_quantised(sigmax_gate op, const sigmax_view* a, const sigmax_view* b,
                                              const sigmax_view* y, int32_t axis, const sigmax_quantisation* codes,
                                              const sigmax_options* options) noexcept {
  reader read;
  const view first = read.tensor("a", a), second = read.tensor("b", b), out = read.tensor("y", y);
  const auto to = read.codes(codes);
  const auto how = read.how(options);
  return finish(
      read.then([&] { return activate_gated_quantised(static_cast<gate>(op), first, second, out, axis, to, how); }));
}

sigmax_status sigmax_softmax_quantised(const sigmax_view* x, const sigmax_view* y, int32_t axis,
                                       const sigmax_softmax_form* form, const sigmax_quantisation* codes,
                                       const sigmax_options* options) noexcept {
  reader read;
  const view in = read.tensor("x", x), out = read.tensor("y", y);
  const auto with = read.form(form);
  const auto to = read.codes(codes);
  const auto how = read.how(options);
  return finish(read.then([&] { return softmax_quantised(in, out, axis, with, to, how); }));
}

sigmax_status sigmax_explain(sigmax_activation op, const sigmax_view* x, const sigmax_view* y,
                             const sigmax_options* options, sigmax_explanation* out) noexcept {
  reader read;
  const view in = read.tensor("x", x), to = read.tensor("y", y);
  const auto how = read.how(options);
  return explain_with(out, read, [&](explanation& e) { return explain(static_cast<activation>(op), in, to, how, e); });
}

sigmax_status sigmax_explain_gated(sigmax_gate op, const sigmax_view* a, const sigmax_view* b, const sigmax_view* y,
                                   const sigmax_options* options, sigmax_explanation* out) noexcept {
  reader read;
  const view first = read.tensor("a", a), second = read.tensor("b", b), to = read.tensor("y", y);
  const auto how = read.how(options);
  return explain_with(out, read,
                      [&](explanation& e) { return explain_gated(static_cast<gate>(op), first, second, to, how, e); });
}

sigmax_status sigmax_explain_softmax(const sigmax_view* x, const sigmax_view* y, int32_t axis,
                                     const sigmax_options* options, sigmax_explanation* out) noexcept {
  reader read;
  const view in = read.tensor("x", x), to = read.tensor("y", y);
  const auto how = read.how(options);
  return explain_with(out, read, [&](explanation& e) { return explain_softmax(in, to, axis, how, e); });
}

int32_t sigmax_activation_count(void) noexcept { return static_cast<int32_t>(all_activations().size()); }

sigmax_activation sigmax_find_activation(const char* name) noexcept {
  const auto found = name != nullptr ? find_activation(name) : std::nullopt;
  return found ? static_cast<sigmax_activation>(*found) : -1;
}

sigmax_status sigmax_describe(sigmax_activation op, sigmax_activation_info* out) noexcept {
  if (status s = known(op, all_activations(), "activation"); !s) return finish(s);
  return describe_to(describe(static_cast<activation>(op)), out);
}

sigmax_status sigmax_describe_parameter(sigmax_activation op, int32_t index, sigmax_parameter_info* out) noexcept {
  if (status s = known(op, all_activations(), "activation"); !s) return finish(s);
  return describe_to(describe(static_cast<activation>(op)), index, out);
}

int32_t sigmax_gate_count(void) noexcept { return static_cast<int32_t>(all_gates().size()); }

sigmax_gate sigmax_find_gate(const char* name) noexcept {
  const auto found = name != nullptr ? find_gate(name) : std::nullopt;
  return found ? static_cast<sigmax_gate>(*found) : -1;
}

sigmax_status sigmax_describe_gate(sigmax_gate op, sigmax_activation_info* out) noexcept {
  if (status s = known(op, all_gates(), "gate"); !s) return finish(s);
  return describe_to(describe(static_cast<gate>(op)), out);
}

sigmax_status sigmax_describe_gate_parameter(sigmax_gate op, int32_t index, sigmax_parameter_info* out) noexcept {
  if (status s = known(op, all_gates(), "gate"); !s) return finish(s);
  return describe_to(describe(static_cast<gate>(op)), index, out);
}

int32_t sigmax_cpu_isa_count(void) noexcept { return static_cast<int32_t>(cpu_isas().size()); }

sigmax_status sigmax_cpu_isa(int32_t index, sigmax_isa_info* out) noexcept {
  if (index < 0 || index >= sigmax_cpu_isa_count())
    return finish(failure(status_code::invalid_argument, "ISA row %d of %d", index, sigmax_cpu_isa_count()));
  const isa_info& row = cpu_isas()[static_cast<std::size_t>(index)];
  return tell(out, {0, row.name, row.lanes, row.fma, row.usable, 0});
}

sigmax_status sigmax_cuda_available(void) noexcept { return finish(cuda_available()); }

sigmax_status sigmax_warm_up(const sigmax_staging_memory* memory) noexcept {
  reader read;
  const auto given = read.staging(memory);
  return finish(read.then([&] { return warm_up(given); }));
}

sigmax_status sigmax_cool_down(void) noexcept { return finish(cool_down()); }

sigmax_status sigmax_set_calibration(const sigmax_calibration* figures) noexcept {
  reader read;
  const auto given = read.figures(figures);
  return finish(read.then([&] { return set_calibration(given); }));
}

}  // extern "C"
