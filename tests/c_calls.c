#include "c_calls.h"

#include <sigmax/sigmax.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void expect(int good, const char* what) {
  if (good) return;
  ++failures;
  fprintf(stderr, "C API: %s: %s\n", what, sigmax_last_error());
}
#define EXPECT_OK(call) expect((call) == sigmax_status_ok, #call)

static sigmax_view matrix(const void* data, sigmax_dtype type, int64_t columns) {
  const int64_t shape[2] = {calls_rows, columns};
  sigmax_view v;
  sigmax_view_dense(&v, sizeof v, data, type, 2, shape);
  return v;
}

static void elementwise(const sigmax_view* x, const sigmax_view* dy, struct call_results* out) {
  expect(sigmax_activation_count() <= calls_ops, "calls_ops is too small");
  for (sigmax_activation op = 0; op < sigmax_activation_count(); ++op) {
    const sigmax_view y = matrix(out->activate[op], sigmax_dtype_f32, calls_columns);
    const sigmax_view dx = matrix(out->activation_gradient[op], sigmax_dtype_f32, calls_columns);
    EXPECT_OK(sigmax_activate(op, x, &y, NULL));
    EXPECT_OK(sigmax_activation_gradient(op, dy, x, &dx, NULL));
  }
}

static void gates(const sigmax_view* x, const sigmax_view* dy, struct call_results* out) {
  expect(sigmax_gate_count() <= calls_gates, "calls_gates is too small");
  for (sigmax_gate op = 0; op < sigmax_gate_count(); ++op) {
    const sigmax_view y = matrix(out->gated[op], sigmax_dtype_f32, calls_columns);
    const sigmax_view da = matrix(out->gate_a[op], sigmax_dtype_f32, calls_columns);
    const sigmax_view db = matrix(out->gate_b[op], sigmax_dtype_f32, calls_columns);
    EXPECT_OK(sigmax_activate_gated(op, x, dy, &y, NULL));
    EXPECT_OK(sigmax_gated_gradient(op, dy, x, x, &da, &db, NULL));
  }
  sigmax_activation_info info = {.struct_size = sizeof info};
  sigmax_parameter_info parameter = {.struct_size = sizeof parameter};
  sigmax_explanation why = {.struct_size = sizeof why};
  const sigmax_gate op = sigmax_find_gate("swiglu_oai");
  expect(op == sigmax_gate_swiglu_oai && sigmax_find_gate("no such") == -1, "find_gate");
  EXPECT_OK(sigmax_describe_gate(op, &info));
  expect(strcmp(info.name, "swiglu_oai") == 0 && info.parameters == 2, "describe_gate");
  EXPECT_OK(sigmax_describe_gate_parameter(op, 1, &parameter));
  expect(strcmp(parameter.name, "limit") == 0 && parameter.default_value == 7, "describe_gate_parameter");
  expect(sigmax_describe_gate(sigmax_gate_count(), &info) == sigmax_status_invalid_argument, "no such gate");
  EXPECT_OK(sigmax_explain_gated(op, x, dy, dy, NULL, &why));
  expect(strcmp(why.kernel, "contiguous") == 0, "explain_gated");
}

static void softmaxes(const sigmax_view* x, const float* per_row, struct call_results* out) {
  const sigmax_view y = matrix(out->softmax, sigmax_dtype_f32, calls_columns);
  const sigmax_view logarithm = matrix(out->log_softmax, sigmax_dtype_f32, calls_columns);
  const sigmax_view columns = matrix(out->columns, sigmax_dtype_f32, calls_columns);
  const sigmax_view fast = matrix(out->fast, sigmax_dtype_f32, calls_columns);
  sigmax_options how;
  sigmax_options_init(&how, sizeof how);
  how.accuracy = sigmax_accuracy_fast;
  EXPECT_OK(sigmax_softmax(x, &y, -1, NULL));
  EXPECT_OK(sigmax_log_softmax(x, &logarithm, 1, NULL));
  EXPECT_OK(sigmax_softmax(x, &columns, 0, NULL));
  EXPECT_OK(sigmax_softmax(x, &fast, -1, &how));

  const sigmax_view fused = matrix(out->fused, sigmax_dtype_f32, calls_columns);
  const sigmax_view rows = matrix(per_row, sigmax_dtype_f32, 1);
  const sigmax_view max = matrix(out->fused_max, sigmax_dtype_f32, 1);
  const sigmax_view sum = matrix(out->fused_sum, sigmax_dtype_f32, 1);
  const sigmax_view lse = matrix(out->fused_lse, sigmax_dtype_f32, 1);
  sigmax_softmax_form form;
  sigmax_softmax_form_init(&form, sizeof form);
  form.scale = 0.5f;
  form.softcap = 3;
  form.causal = 1;
  form.offset = 2;
  form.window = 4;
  form.output_scale = 2;
  form.row_scale = form.slopes = form.sinks = &rows;
  form.mask = x;
  form.max = &max;
  form.sum = &sum;
  form.lse = &lse;
  EXPECT_OK(sigmax_softmax_fused(x, &fused, 1, &form, NULL));
  form.logarithm = 1;
  expect(sigmax_softmax_fused(x, &fused, 1, &form, NULL) == sigmax_status_invalid_argument, "a scaled logarithm");
}

static void parts(const sigmax_view* x, struct call_results* out) {
  const sigmax_view max = matrix(out->partial_max, sigmax_dtype_f32, 1);
  const sigmax_view sum = matrix(out->partial_sum, sigmax_dtype_f32, 1);
  const sigmax_view y = matrix(out->finish, sigmax_dtype_f32, calls_columns);
  sigmax_softmax_form form;
  sigmax_softmax_form_init(&form, sizeof form);
  form.max = &max;
  form.sum = &sum;
  EXPECT_OK(sigmax_softmax_partial(x, -1, &form, NULL));
  EXPECT_OK(sigmax_softmax_finish(x, &y, -1, &form, NULL));
  const sigmax_softmax_state a = {out->partial_max[0], out->partial_sum[0]};
  const sigmax_softmax_state b = {out->partial_max[1], out->partial_sum[1]};
  const sigmax_softmax_state whole = sigmax_merge(a, b);
  out->merged_max = whole.max;
  out->merged_sum = whole.sum;
}

static void gradients_and_losses(const sigmax_view* x, const sigmax_view* dy, const float* per_row,
                                 struct call_results* out) {
  const sigmax_view y = matrix(out->softmax, sigmax_dtype_f32, calls_columns);
  const sigmax_view logarithm = matrix(out->log_softmax, sigmax_dtype_f32, calls_columns);
  const sigmax_view dx = matrix(out->softmax_gradient, sigmax_dtype_f32, calls_columns);
  const sigmax_view dx_logarithm = matrix(out->log_softmax_gradient, sigmax_dtype_f32, calls_columns);
  EXPECT_OK(sigmax_softmax_gradient(dy, &y, &dx, -1, 0.5f, NULL));
  EXPECT_OK(sigmax_log_softmax_gradient(dy, &logarithm, &dx_logarithm, -1, 2, NULL));

  int64_t targets[calls_rows];
  for (int i = 0; i < calls_rows; ++i) targets[i] = i == 2 ? -1 : i;
  const sigmax_view target = matrix(targets, sigmax_dtype_i64, 1), rows = matrix(per_row, sigmax_dtype_f32, 1);
  const sigmax_view loss = matrix(out->loss, sigmax_dtype_f32, 1), lse = matrix(out->lse, sigmax_dtype_f32, 1);
  const sigmax_view loss_gradient = matrix(out->loss_gradient, sigmax_dtype_f32, calls_columns);
  sigmax_cross_entropy_form form;
  sigmax_cross_entropy_form_init(&form, sizeof form);
  form.scale = 2;
  form.label_smoothing = 0.125f;
  form.ignore_index = -1;
  form.lse = &lse;
  EXPECT_OK(sigmax_cross_entropy(x, &target, &loss, -1, &form, NULL));
  EXPECT_OK(sigmax_cross_entropy_gradient(&rows, x, &target, &loss_gradient, -1, &form, NULL));

  const sigmax_view weights = matrix(out->weights, sigmax_dtype_f32, calls_chosen);
  const sigmax_view experts = matrix(out->experts, sigmax_dtype_i32, calls_chosen);
  sigmax_gating_form gate;
  sigmax_gating_form_init(&gate, sizeof gate);
  gate.sigmoid = 1;
  gate.scale = 2.5f;
  gate.bias = dy;
  EXPECT_OK(sigmax_top_k_gating(x, &weights, &experts, -1, &gate, NULL));
}

static void quantised(const sigmax_view* x, const sigmax_view* dy, struct call_results* out) {
  const sigmax_view y = matrix(out->codes[0], sigmax_dtype_i8, calls_columns);
  const sigmax_view gated = matrix(out->codes[1], sigmax_dtype_f8_e4m3, calls_columns);
  const sigmax_view softmax = matrix(out->codes[2], sigmax_dtype_f8_e5m2, calls_columns);
  const sigmax_view gate_scales = matrix(out->row_scales[0], sigmax_dtype_f32, 1);
  const sigmax_view softmax_scales = matrix(out->row_scales[1], sigmax_dtype_f32, 1);
  const sigmax_view amax = matrix(out->amax, sigmax_dtype_f32, 1);
  sigmax_quantisation codes;
  sigmax_quantisation_init(&codes, sizeof codes);
  expect(codes.scale == 1 && codes.row_scales == NULL, "quantisation_init");
  codes.scale = 0.02f;
  EXPECT_OK(sigmax_activate_quantised(sigmax_activation_gelu, x, &y, -1, &codes, NULL));
  codes.reserved = 1;
  expect(sigmax_activate_quantised(sigmax_activation_gelu, x, &y, -1, &codes, NULL) == sigmax_status_unsupported,
         "quantisation.reserved");
  sigmax_quantisation_init(&codes, sizeof codes);
  codes.row_scales = &gate_scales;
  codes.amax = &amax;
  EXPECT_OK(sigmax_activate_gated_quantised(sigmax_gate_swiglu, x, dy, &gated, 1, &codes, NULL));
  codes.row_scales = &softmax_scales;
  codes.amax = NULL;
  EXPECT_OK(sigmax_softmax_quantised(x, &softmax, -1, NULL, &codes, NULL));
  const sigmax_view nowhere = matrix(NULL, sigmax_dtype_f32, 1);
  codes.row_scales = &nowhere;
  expect(sigmax_softmax_quantised(x, &softmax, -1, NULL, &codes, NULL) == sigmax_status_invalid_argument,
         "row_scales without data");
}

static void host_tensors(void) {
  sigmax_staging_memory memory;
  sigmax_staging_memory_init(&memory, sizeof memory);
  expect(memory.pinned == NULL && memory.bytes == 0, "staging_memory_init");
  const int available = sigmax_cuda_available() == sigmax_status_ok;
  expect(sigmax_warm_up(&memory) == (available ? sigmax_status_ok : sigmax_status_unavailable), "warm_up");
  EXPECT_OK(sigmax_cool_down());
  sigmax_calibration figures;
  sigmax_calibration_init(&figures, sizeof figures);
  figures.launch_ns = -1;
  expect(sigmax_set_calibration(&figures) == sigmax_status_invalid_argument, "a launch that takes less than no time");
  sigmax_calibration_init(&figures, sizeof figures);
  EXPECT_OK(sigmax_set_calibration(&figures));
}

static void facts(const sigmax_view* x, struct call_results* out) {
  sigmax_activation_info info = {.struct_size = sizeof info};
  sigmax_parameter_info parameter = {.struct_size = sizeof parameter};
  const sigmax_activation op = sigmax_find_activation("leaky_relu");
  expect(op == sigmax_activation_leaky_relu, "find_activation");
  expect(sigmax_find_activation("no such") == -1 && sigmax_find_activation(NULL) == -1, "find_activation of none");
  EXPECT_OK(sigmax_describe(op, &info));
  expect(strcmp(info.name, "leaky_relu") == 0 && info.parameters == 1 && info.has_fast == 0, "describe");
  expect(strlen(info.formula) > 0 && strlen(info.source) > 0, "describe: words");
  EXPECT_OK(sigmax_describe_parameter(op, 0, &parameter));
  expect(strcmp(parameter.name, "slope") == 0 && parameter.default_value == 0.1f, "describe_parameter");
  expect(sigmax_describe_parameter(op, 1, &parameter) == sigmax_status_invalid_argument, "no second parameter");

  sigmax_isa_info row = {.struct_size = sizeof row};
  int usable = 0;
  for (int32_t i = 0; i < sigmax_cpu_isa_count(); ++i) {
    EXPECT_OK(sigmax_cpu_isa(i, &row));
    usable += row.usable;
  }
  expect(usable > 0, "no ISA row is usable");
  expect(sigmax_cpu_isa(-1, &row) == sigmax_status_invalid_argument, "ISA row -1");

  const sigmax_view y = matrix(out->softmax, sigmax_dtype_f32, calls_columns);
  sigmax_explanation why = {.struct_size = sizeof why};
  EXPECT_OK(sigmax_explain(op, x, &y, NULL, &why));
  expect(why.where == sigmax_backend_cpu && why.tasks == 1 && strlen(why.isa) > 0, "explain");
  EXPECT_OK(sigmax_explain_softmax(x, &y, -1, NULL, &why));
  expect(strcmp(why.kernel, "rows") == 0 && strlen(why.reason) > 0, "explain_softmax");

  char text[32];
  snprintf(text, sizeof text, "%d.%d.%d", SIGMAX_VERSION_MAJOR, SIGMAX_VERSION_MINOR, SIGMAX_VERSION_PATCH);
  expect(strcmp(text, sigmax_version()) == 0, "the header is of another version");
  expect(strcmp(sigmax_status_string(sigmax_cuda_available()), "available") != 0, "cuda_available");
  expect(strcmp(sigmax_status_string(sigmax_status_overlap), "overlap") == 0, "status_string");
  sigmax_view v;
  sigmax_view_init(&v, sizeof v);
  expect(v.rank == 0 && v.data == NULL && v.struct_size == sizeof v, "view_init");
}

int c_calls(const float* x, const float* dy, const float* per_row, struct call_results* out) {
  const sigmax_view in = matrix(x, sigmax_dtype_f32, calls_columns), grad = matrix(dy, sigmax_dtype_f32, calls_columns);
  failures = 0;
  elementwise(&in, &grad, out);
  gates(&in, &grad, out);
  softmaxes(&in, per_row, out);
  parts(&in, out);
  gradients_and_losses(&in, &grad, per_row, out);
  quantised(&in, &grad, out);
  host_tensors();
  facts(&in, out);
  return failures;
}
