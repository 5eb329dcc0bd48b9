// The functions of rows: the public calls, from views to the backend that runs them.
#include <algorithm>

#include "choice.hpp"
#include "dispatch.hpp"
#include "math.hpp"

namespace sigmax {
namespace {

status staged_rows(const softmax_call& call) noexcept {
  bool dense = call.rows.rank == 1 && (call.columns == 1 || (call.x_stride == 1 && call.y_stride == 1));
  for (int v = 0; v < 2; ++v) dense = dense && (call.rows.extent[0] == 1 || call.rows.stride[v][0] == call.columns);
  if (dense) return {};
  return failure(status_code::unsupported, "the CUDA backend takes host memory of softmax in dense rows");
}

/// A softmax in any form, of at least one element or row.
status run_softmax_on(const choice& c, softmax_pass pass, bool logarithm, const softmax_form* form,
                      const loss_terms* loss, const const_view& x, const const_view& y, int axis, const options& how,
                      const quantisation* codes = nullptr) noexcept {
  if (c.where == backend::cuda) {
    softmax_call call;
    describe_softmax(call, pass, logarithm, form, loss, x, y, axis, codes);
    if (!c.staged) return cuda_run_softmax(call, how);
    if (status s = staged_rows(call); !s) return s;
    return cuda_run_host_softmax(call, how);
  }
  run_softmax(plan_softmax(*c.table, pass, logarithm, form, loss, x, y, axis, how, codes), how);
  return {};
}

status softmax_options(const options& how) noexcept {
  if (how.parameters.first == how.parameters.first || how.parameters.second == how.parameters.second)
    return failure(status_code::invalid_argument, "this call takes no parameters");
  return validate_options(how);
}

status prepare_softmax(const const_view& x, const const_view& y, int& axis, const options& how, extent_of_call& extent,
                       choice& c) noexcept {
  if (status s = softmax_options(how); !s) return s;
  const named_view views[] = {{"x", &x}, {"y", &y}};
  if (status s = validate_views(views, 2, extent); !s) return s;
  if (status s = resolve_axis(x, axis); !s) return s;
  return choose(how, y.where, c, {.takes_host = true, .facts = nullptr});
}

/// `y` null: there is none.
status run_softmax_form(softmax_pass pass, const const_view& x, const view* y, int axis, const softmax_form& form,
                        const options& how) noexcept {
  if (status s = softmax_options(how); !s) return s;
  const const_view out = y != nullptr ? const_view(*y) : x;
  if (status s = validate_form(x, y != nullptr ? &out : nullptr, axis, form, pass == softmax_pass::finish); !s)
    return s;
  choice c;
  if (status s = choose(how, x.where, c); !s) return s;
  const bool of_rows = form.max.data != nullptr || form.sum.data != nullptr || form.lse.data != nullptr;
  if (element_count(x) == 0 && !of_rows) return {};
  return run_softmax_on(c, pass, form.logarithm, &form, nullptr, x, out, axis, how);
}

status run_softmax_call(const const_view& x, const view& y, int axis, const options& how, bool logarithm) noexcept {
  extent_of_call extent;
  choice c;
  if (status s = prepare_softmax(x, y, axis, how, extent, c); !s) return s;
  if (extent.count == 0) return {};
  return run_softmax_on(c, softmax_pass::all, logarithm, nullptr, nullptr, x, y, axis, how);
}

status run_gradient(bool logarithm, const const_view& dy, const const_view& y, const view& dx, int axis, float scale,
                    const options& how) noexcept {
  if (status s = softmax_options(how); !s) return s;
  const const_view out = dx;
  const named_view views[] = {{"dy", &dy}, {"y", &y}, {"dx", &out}};
  extent_of_call extent;
  if (status s = validate_views(views, 3, extent); !s) return s;
  if (status s = resolve_axis(out, axis); !s) return s;
  if (status s = validate_finite("scale", scale); !s) return s;
  choice c;
  if (status s = choose(how, out.where, c); !s) return s;
  if (extent.count == 0) return {};
  if (c.where == backend::cuda) {
    softmax_gradient_call call;
    describe_gradient(call, logarithm, dy, y, out, axis, scale);
    return cuda_run_softmax_gradient(call, how);
  }
  run_softmax_gradient(plan_softmax_gradient(*c.table, logarithm, dy, y, out, axis, scale, how), how);
  return {};
}

/// `dloss` null: the loss itself.
status run_cross_entropy(const const_view* dloss, const const_view& x, const const_view& targets, const view& y,
                         int axis, const cross_entropy_form& form, const options& how) noexcept {
  if (status s = softmax_options(how); !s) return s;
  const const_view out = y;
  if (status s = validate_cross_entropy(dloss, x, targets, out, axis, form); !s) return s;
  choice c;
  if (status s = choose(how, x.where, c); !s) return s;
  if (element_count(targets) == 0) return {};
  if (c.where == backend::cpu)
    if (status s = validate_targets(targets, x.shape[axis], form); !s) return s;
  loss_terms loss{
      .targets = targets, .loss = {}, .dloss = {}, .smoothing = form.label_smoothing, .ignored = form.ignore_index};
  softmax_form scores{.scale = form.scale};
  if (dloss == nullptr) {
    loss.loss = out;
    scores.lse = form.lse;
    return run_softmax_on(c, softmax_pass::partial, false, &scores, &loss, x, x, axis, how);
  }
  loss.dloss = *dloss;
  scores.max = form.lse;  // with a sum of 1 it is a row's state, too
  const auto pass = form.lse.data != nullptr ? softmax_pass::finish : softmax_pass::all;
  return run_softmax_on(c, pass, false, &scores, &loss, x, out, axis, how);
}

}  // namespace

status softmax(const const_view& x, const view& y, int axis, const options& how) noexcept {
  return run_softmax_call(x, y, axis, how, false);
}

status log_softmax(const const_view& x, const view& y, int axis, const options& how) noexcept {
  return run_softmax_call(x, y, axis, how, true);
}

status softmax_fused(const const_view& x, const view& y, int axis, const softmax_form& form,
                     const options& how) noexcept {
  return run_softmax_form(softmax_pass::all, x, &y, axis, form, how);
}

status softmax_quantised(const const_view& x, const view& y, int axis, const softmax_form& form,
                         const quantisation& codes, const options& how) noexcept {
  if (status s = softmax_options(how); !s) return s;
  const const_view out = y;
  if (status s = validate_form(x, &out, axis, form, false, &codes); !s) return s;
  choice c;
  bool empty = false;
  if (status s = choose_for_codes(how, out, codes, c, empty); !s) return s;
  const bool of_rows = form.max.data != nullptr || form.sum.data != nullptr || form.lse.data != nullptr;
  if (empty && !of_rows) return {};
  return run_softmax_on(c, softmax_pass::all, form.logarithm, &form, nullptr, x, out, axis, how, &codes);
}

status softmax_partial(const const_view& x, int axis, const softmax_form& form, const options& how) noexcept {
  return run_softmax_form(softmax_pass::partial, x, nullptr, axis, form, how);
}

status softmax_finish(const const_view& x, const view& y, int axis, const softmax_form& form,
                      const options& how) noexcept {
  return run_softmax_form(softmax_pass::finish, x, &y, axis, form, how);
}

status softmax_gradient(const const_view& dy, const const_view& y, const view& dx, int axis, float scale,
                        const options& how) noexcept {
  return run_gradient(false, dy, y, dx, axis, scale, how);
}

status log_softmax_gradient(const const_view& dy, const const_view& y, const view& dx, int axis, float scale,
                            const options& how) noexcept {
  return run_gradient(true, dy, y, dx, axis, scale, how);
}

status cross_entropy(const const_view& x, const const_view& targets, const view& loss, int axis,
                     const cross_entropy_form& form, const options& how) noexcept {
  return run_cross_entropy(nullptr, x, targets, loss, axis, form, how);
}

status cross_entropy_gradient(const const_view& dloss, const const_view& x, const const_view& targets, const view& dx,
                              int axis, const cross_entropy_form& form, const options& how) noexcept {
  return run_cross_entropy(&dloss, x, targets, dx, axis, form, how);
}

status top_k_gating(const const_view& x, const view& weights, const view& experts, int axis, const gating_form& form,
                    const options& how) noexcept {
  if (status s = softmax_options(how); !s) return s;
  const const_view w = weights, e = experts;
  if (status s = validate_gating(x, w, e, axis, form); !s) return s;
  choice c;
  if (status s = choose(how, x.where, c); !s) return s;
  if (element_count(w) == 0) return {};
  if (c.where == backend::cuda) {
    gating_call call;
    describe_gating(call, x, w, e, axis, form, how);
    return cuda_run_gating(call, how);
  }
  run_gating(plan_gating(*c.table, x, w, e, axis, form, how), how);
  return {};
}

softmax_state merge(softmax_state a, softmax_state b) noexcept {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  if (a.max != a.max || b.max != b.max) return {nan, nan};
  if (b.max > a.max) std::swap(a, b);
  if (b.max == a.max) return {a.max + 0.0f, a.sum + b.sum};  // both may be -inf, or zeros of either sign
  // One step of Newton's on the logarithm takes e^d from 24 bits to more than 40. It is 0 where d may be infinite.
  const double below = static_cast<double>(b.max) - static_cast<double>(a.max);
  auto share = static_cast<double>(math::exp(static_cast<float>(below)));
  if (share > 0) share += share * (below - log_of(share));
  return {a.max, static_cast<float>(static_cast<double>(b.sum) * share + static_cast<double>(a.sum))};
}

namespace {
status fill_softmax(const const_view& x, const view& y, int axis, const options& how, explanation& out) noexcept {
  extent_of_call extent;
  choice c;
  if (status s = prepare_softmax(x, y, axis, how, extent, c); !s) return s;
  tell(c, y.where, out);
  if (c.where == backend::cpu) out.accuracy = how.accuracy;  // CUDA has one form
  if (extent.count == 0) return {};
  if (c.where == backend::cuda) {
    softmax_call call;
    describe_softmax(call, softmax_pass::all, false, nullptr, nullptr, x, y, axis);
    out.tasks = 1;
    if (c.staged)
      if (status s = staged_rows(call); !s) return s;
    return cuda_softmax_kernel(call, out.kernel);
  }
  const auto plan = plan_softmax(*c.table, softmax_pass::all, false, nullptr, nullptr, x, y, axis, how);
  out.kernel = plan.x_stride != 1 && plan.columns > 1 ? "columns" : "rows";
  out.streaming = plan.streaming;
  out.tasks = std::max(plan.split.rows.tasks, plan.split.parts);
  return {};
}
}  // namespace

status explain_softmax(const const_view& x, const view& y, int axis, const options& how, explanation& out) noexcept {
  return tell_all(out, [&](explanation& told) { return fill_softmax(x, y, axis, how, told); });
}

}  // namespace sigmax
