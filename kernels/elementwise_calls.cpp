// Activations and gates: the public calls, from views to the backend that runs them.
#include "choice.hpp"
#include "dispatch.hpp"

namespace sigmax {
namespace {

/// Whether host memory of this layout goes to CUDA.
status staged_elements(const elementwise_call& call) noexcept {
  if (call.nest.contiguous()) return {};
  return failure(status_code::unsupported, "the CUDA backend takes host memory in dense tensors, all in one order");
}
status staged_gate(const gated_call& call) noexcept {
  host_gate cut;
  if (cut_host_gate(call, cut)) return {};
  return failure(status_code::unsupported,
                 "the CUDA backend takes host memory of gates in dense tensors, or inputs that share dense rows");
}
call_facts facts_of(const named_view* views, int n, int outputs, extent_of_call extent, const options& how) noexcept {
  call_facts facts{.elements = extent.count / how.slices,
                   .bytes_in = 0,
                   .bytes_out = 0,
                   .threads = how.threads.run != nullptr ? how.threads.concurrency : 1,
                   .managed = views[n - 1].view->where == memory::managed};
  for (int v = 0; v < n; ++v) (v < n - outputs ? facts.bytes_in : facts.bytes_out) += size_of(views[v].view->type);
  return facts;
}

/// Everything that elementwise calls and their `explain` share. `function`: an activation or a gate.
template <class Function>
status prepare(elementwise_form form, Function function, const named_view* views, const options& how,
               elementwise_function& f, extent_of_call& extent, choice& c) noexcept {
  f.form = form;
  f.index = static_cast<std::size_t>(function);
  if (status s = resolve_parameters(function, how.parameters, f.p); !s) return s;
  if (status s = validate_options(how); !s) return s;
  const int n = f.inputs() + f.outputs();
  if (status s = validate_views(views, n, extent, f.outputs()); !s) return s;
  const call_facts facts = facts_of(views, n, f.outputs(), extent, how);
  call_kind kind{
      .takes_host = form != elementwise_form::gated_gradient, .facts = nullptr, .op = static_cast<activation>(f.index)};
  const bool other_form = how.accuracy == accuracy::fast && describe(function).bound_fast.has_value();
  if (extent.dense && !f.of_gate() && (f.backward() || !other_form)) kind.facts = &facts;
  if (status s = choose(how, views[n - 1].view->where, c, kind); !s) return s;
  return {};
}

/// `outputs`: the memory of the last of the views.
template <class Function, std::size_t n, std::size_t m>
status run_call(elementwise_form form, Function function, const named_view (&views)[n], void* const (&outputs)[m],
                const options& how) noexcept {
  elementwise_function f;
  extent_of_call extent;
  choice c;
  if (status s = prepare(form, function, views, how, f, extent, c); !s) return s;
  if (extent.count == 0) return {};
  const const_view* all[n];
  for (std::size_t i = 0; i < n; ++i) all[i] = views[i].view;
  if (c.where == backend::cuda && f.of_gate()) {
    gated_call call;
    describe_gated(call, f, all, extent, how);
    if (!c.staged) return cuda_run_gated(call, how);
    if (status s = staged_gate(call); !s) return s;
    return cuda_run_host_gated(call, how);
  }
  if (c.where == backend::cuda) {
    elementwise_call call = describe_call(f, all, extent, how);
    call.out = outputs[0];
    if (!c.staged) return cuda_run_elementwise(call, how);
    if (status s = staged_elements(call); !s) return s;
    return cuda_run_host_elementwise(call, how);
  }
  auto plan = plan_elementwise(*c.table, f, all, extent, how);
  for (std::size_t i = 0; i < m; ++i) plan.out[i] = outputs[i];
  run_elementwise(plan, how);
  return {};
}

/// Not inlined: a short call does not pay for the plan's place on the stack.
[[gnu::noinline]] status activate_by_plan(activation op, const const_view& x, const view& y,
                                          const options& how) noexcept {
  const const_view out = y;
  return run_call(elementwise_form::forward, op, {{"x", &x}, {"y", &out}}, {y.data}, how);
}

template <class Function, std::size_t n>
status explain_call(elementwise_form form, Function function, const named_view (&views)[n], const options& how,
                    explanation& out) noexcept {
  elementwise_function f;
  extent_of_call extent;
  choice c;
  if (status s = prepare(form, function, views, how, f, extent, c); !s) return s;
  tell(c, views[n - 1].view->where, out);
  if (describe(function).bound_fast)
    out.accuracy = c.where == backend::cuda ? tier_on_cuda(how.accuracy, views[n - 1].view->type) : how.accuracy;
  if (extent.count == 0) return {};
  const const_view* all[n];
  for (std::size_t i = 0; i < n; ++i) all[i] = views[i].view;
  if (c.where == backend::cuda) {
    out.tasks = 1;
    if (f.of_gate()) {
      gated_call call;
      describe_gated(call, f, all, extent, how);
      if (c.staged)
        if (status s = staged_gate(call); !s) return s;
      out.kernel = cuda_gated_kernel(call);
      return {};
    }
    const elementwise_call call = describe_call(f, all, extent, how);
    if (c.staged)
      if (status s = staged_elements(call); !s) return s;
    out.kernel = cuda_elementwise_kernel(call);
    return {};
  }
  const auto plan = plan_elementwise(*c.table, f, all, extent, how);
  out.kernel = !plan.direct || !(f.of_gate() || plan.nest.contiguous()) ? "blocks"
               : plan.alternating_inputs                                ? "interleaved"
                                                                        : "contiguous";
  out.streaming = plan.streaming;
  out.tasks = plan.work.tasks;
  return {};
}

template <class Function, std::size_t n>
status run_quantised_call(elementwise_form form, Function function, const named_view (&inputs)[n], const view& y,
                          int axis, const quantisation& codes, const options& how) noexcept {
  elementwise_function f{form, static_cast<std::size_t>(function), {}};
  if (status s = resolve_parameters(function, how.parameters, f.p); !s) return s;
  if (status s = validate_options(how); !s) return s;
  const const_view out = y;
  if (status s = validate_quantised(inputs, static_cast<int>(n), out, axis, codes); !s) return s;
  choice c;
  bool empty = false;
  if (status s = choose_for_codes(how, out, codes, c, empty); !s) return s;
  if (empty) return {};
  const const_view* views[n + 1];
  for (std::size_t i = 0; i < n; ++i) views[i] = inputs[i].view;
  views[n] = &out;
  if (c.where == backend::cuda) return cuda_run_quantised(f, views, axis, codes, how);
  run_quantised(*c.table, f, views, axis, codes, how);
  return {};
}

}  // namespace

status activate(activation op, const const_view& x, const view& y, const options& how) noexcept {
  std::int64_t count = 0;
  if (const kernel_table* table = row_without_plan(how);
      table != nullptr && x.type == y.type && dense_and_apart(x, y, count) && count <= short_call) {
    parameters p;
    if (status s = resolve_parameters(op, how.parameters, p); !s) return s;
    table->forward[static_cast<std::size_t>(how.accuracy)][static_cast<std::size_t>(op)]
                  [static_cast<std::size_t>(x.type)](x.data, y.data, count, p, false);
    return {};
  }
  return activate_by_plan(op, x, y, how);
}

status activation_gradient(activation op, const const_view& dy, const const_view& x, const view& dx,
                           const options& how) noexcept {
  const const_view out = dx;
  return run_call(elementwise_form::gradient, op, {{"dy", &dy}, {"x", &x}, {"dx", &out}}, {dx.data}, how);
}

status activate_gated(gate op, const const_view& a, const const_view& b, const view& y, const options& how) noexcept {
  const const_view out = y;
  return run_call(elementwise_form::gated, op, {{"a", &a}, {"b", &b}, {"y", &out}}, {y.data}, how);
}

status gated_gradient(gate op, const const_view& dy, const const_view& a, const const_view& b, const view& da,
                      const view& db, const options& how) noexcept {
  const const_view to_a = da, to_b = db;
  return run_call(elementwise_form::gated_gradient, op,
                  {{"dy", &dy}, {"a", &a}, {"b", &b}, {"da", &to_a}, {"db", &to_b}}, {da.data, db.data}, how);
}

status activate_quantised(activation op, const const_view& x, const view& y, int axis, const quantisation& codes,
                          const options& how) noexcept {
  return run_quantised_call(elementwise_form::forward, op, {{"x", &x}}, y, axis, codes, how);
}

status activate_gated_quantised(gate op, const const_view& a, const const_view& b, const view& y, int axis,
                                const quantisation& codes, const options& how) noexcept {
  return run_quantised_call(elementwise_form::gated, op, {{"a", &a}, {"b", &b}}, y, axis, codes, how);
}

status explain(activation op, const const_view& x, const view& y, const options& how, explanation& out) noexcept {
  const const_view output = y;
  return tell_all(out, [&](explanation& told) {
    return explain_call(elementwise_form::forward, op, {{"x", &x}, {"y", &output}}, how, told);
  });
}

status explain_gated(gate op, const const_view& a, const const_view& b, const view& y, const options& how,
                     explanation& out) noexcept {
  const const_view output = y;
  return tell_all(out, [&](explanation& told) {
    return explain_call(elementwise_form::gated, op, {{"a", &a}, {"b", &b}, {"y", &output}}, how, told);
  });
}

}  // namespace sigmax
