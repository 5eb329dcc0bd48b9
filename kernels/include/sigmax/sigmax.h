/* sigmax in C99: the calls of sigmax.hpp under the same names with the prefix sigmax_. Formulas, shapes, special values
 * and error bounds stand in sigmax.hpp, beside the function of the same name; this header tells what is special to C.
 *
 * Promises of every call: it validates all it is given before it writes a byte, returns a status, and neither throws,
 * aborts, allocates, prints, starts threads, synchronises nor touches the floating-point environment. Calls on disjoint
 * outputs may run at the same time from any number of threads. The exceptions: the CUDA runtime loads its driver
 * when it is first asked, by sigmax_cuda_available, explain or a call on device memory; sigmax_warm_up and
 * sigmax_cool_down allocate and free; host tensors on CUDA wait for the device.
 *
 * Structs grow at their end only, enumerations are appended to only, and both have fixed widths. A struct that may grow
 * starts with `struct_size`, the size that its user was compiled with; set it by the struct's _init function, which
 * also sets the defaults. What a caller does not know of has its default; what the library does not know of must be
 * zero, else the call is sigmax_status_unsupported. CONTRIBUTING.md has the rules for versions. */
#ifndef SIGMAX_SIGMAX_H
#define SIGMAX_SIGMAX_H

#include <stddef.h>
#include <stdint.h>

/* The version of this header; sigmax_version tells that of the library. */
#define SIGMAX_VERSION_MAJOR 0
#define SIGMAX_VERSION_MINOR 1
#define SIGMAX_VERSION_PATCH 0

#ifndef SIGMAX_API
#if defined(_WIN32) || !defined(SIGMAX_SHARED)
#define SIGMAX_API
#else
#define SIGMAX_API __attribute__((visibility("default")))
#endif
#endif

#ifdef __cplusplus
#define SIGMAX_NOEXCEPT noexcept
extern "C" {
#else
#define SIGMAX_NOEXCEPT
#endif

/* NOLINTBEGIN(modernize-use-using): this is C. */

/** What a call returns: one of sigmax_status_*. */
typedef int32_t sigmax_status;
enum {
  sigmax_status_ok,
  sigmax_status_invalid_argument, /**< null pointer, unknown enum value, bad size, rank, axis, parameter or slice */
  sigmax_status_shape_mismatch,   /**< the views do not have the same shape */
  sigmax_status_overlap,          /**< output overlaps itself, or an input it is not identical with */
  sigmax_status_unsupported,      /**< valid, but not offered: by this backend, or by this version of the library */
  sigmax_status_unavailable,      /**< a backend or ISA that this machine or build does not have */
  sigmax_status_backend_error     /**< the CUDA runtime refused; it may be the fault of earlier work on the device */
};

/** One of sigmax_activation_*. sigmax_describe gives formula, parameters and error bound of each. */
typedef int32_t sigmax_activation;
enum {
#define SIGMAX_ACTIVATION(name) sigmax_activation_##name,
#include <sigmax/activations.def>
#undef SIGMAX_ACTIVATION
};

/** One of sigmax_gate_*, the gated forms of two tensors. sigmax_describe_gate tells of each. */
typedef int32_t sigmax_gate;
enum {
#define SIGMAX_GATE(name) sigmax_gate_##name,
#include <sigmax/gates.def>
#undef SIGMAX_GATE
};

/** Storage formats, as sigmax::dtype. */
typedef int32_t sigmax_dtype;
enum {
  sigmax_dtype_f32,
  sigmax_dtype_f16,
  sigmax_dtype_bf16,
  sigmax_dtype_boolean,
  sigmax_dtype_i32,
  sigmax_dtype_i64,
  sigmax_dtype_f8_e4m3, /**< here and below: only outputs of calls with a sigmax_quantisation */
  sigmax_dtype_f8_e5m2,
  sigmax_dtype_i8
};

/** Which backend runs a call. */
typedef int32_t sigmax_backend;
enum { sigmax_backend_automatic, sigmax_backend_cpu, sigmax_backend_cuda };

/** How exact f32 results are, as sigmax::accuracy. */
typedef int32_t sigmax_accuracy;
enum { sigmax_accuracy_high, sigmax_accuracy_fast };

/** Where a view's bytes live, as sigmax::memory. */
typedef int32_t sigmax_memory;
enum { sigmax_memory_host, sigmax_memory_cuda, sigmax_memory_managed };

#define SIGMAX_MAX_RANK 8

/** A tensor in somebody else's memory, as sigmax::basic_view. The bytes of an input are only read. */
typedef struct sigmax_view {
  size_t struct_size;
  void* data; /**< the element whose indices are all zero; may be null if an extent is 0 */
  sigmax_dtype type;
  sigmax_memory where;
  int32_t rank;
  int32_t reserved; /**< 0 */
  int64_t shape[SIGMAX_MAX_RANK];
  int64_t strides[SIGMAX_MAX_RANK]; /**< in elements */
} sigmax_view;

/** The caller's threads, as sigmax::parallel_for: `run` calls task(argument, i) once for every i in [0, tasks) and
 * returns when all are done. Null: the calling thread does everything. `run` must not throw. */
typedef struct sigmax_parallel_for {
  void (*run)(void* context, int64_t tasks, void (*task)(void* argument, int64_t index), void* argument);
  void* context;
  int32_t concurrency; /**< how many tasks `run` can run at a time */
  int32_t reserved;    /**< 0 */
} sigmax_parallel_for;

/** As sigmax::options. A null pointer to it means the defaults. */
typedef struct sigmax_options {
  size_t struct_size;
  float parameters[2]; /**< of the activation, in the order of sigmax_describe_parameter; NaN: its default */
  sigmax_accuracy accuracy;
  sigmax_backend where;
  const char* isa; /**< a name of sigmax_cpu_isa, or null */
  void* stream;    /**< cudaStream_t */
  sigmax_parallel_for threads;
  int32_t slice;
  int32_t slices;
  int32_t dependent_launch; /**< not 0 is true */
  int32_t reserved;         /**< 0 */
} sigmax_options;

/** As sigmax::softmax_form. A null pointer to it means the defaults. A null pointer to a view is off, here and in the
 * next two; a view that is given must have data, unless it is empty. */
typedef struct sigmax_softmax_form {
  size_t struct_size;
  int32_t logarithm; /**< here and below: not 0 is true */
  int32_t causal;
  int32_t nan_if_masked;
  float scale;
  float softcap;
  float output_scale;
  int64_t offset;
  int64_t window;
  const sigmax_view* row_scale;
  const sigmax_view* slopes;
  const sigmax_view* mask;
  const sigmax_view* sinks;
  const sigmax_view* max; /**< out, but for sigmax_softmax_finish, as are the next two */
  const sigmax_view* sum;
  const sigmax_view* lse;
} sigmax_softmax_form;

/** As sigmax::cross_entropy_form. */
typedef struct sigmax_cross_entropy_form {
  size_t struct_size;
  float scale;
  float label_smoothing;
  int64_t ignore_index;
  const sigmax_view* lse;
} sigmax_cross_entropy_form;

/** As sigmax::gating_form. */
typedef struct sigmax_gating_form {
  size_t struct_size;
  int32_t sigmoid;
  int32_t renormalise;
  float scale;
  int32_t reserved; /**< 0 */
  const sigmax_view* bias;
} sigmax_gating_form;

/** As sigmax::quantisation. A null pointer to it means the defaults, one to a view is off. */
typedef struct sigmax_quantisation {
  size_t struct_size;
  float scale;
  int32_t reserved; /**< 0 */
  const sigmax_view* row_scales;
  const sigmax_view* amax;
} sigmax_quantisation;

/** As sigmax::softmax_state: of no scores it is {-infinity, 0}. It never grows. */
typedef struct sigmax_softmax_state {
  float max;
  float sum;
} sigmax_softmax_state;

/** As sigmax::explanation. */
typedef struct sigmax_explanation {
  size_t struct_size;
  sigmax_backend where;
  sigmax_accuracy accuracy;
  int32_t streaming;
  int32_t reserved;
  int64_t tasks;
  const char* isa;
  const char* kernel;
  char reason[256];
  double cpu_ns; /**< estimates of set_calibration; 0: none */
  double cuda_ns;
} sigmax_explanation;

/** As sigmax::activation_info. The strings are constants. */
typedef struct sigmax_activation_info {
  size_t struct_size;
  const char* name;
  const char* formula;
  const char* source;
  int32_t parameters; /**< how many */
  int32_t has_fast;   /**< whether sigmax_accuracy_fast has a form of its own */
  float bound_f32;
  float bound_fast; /**< that of bound_f32 if there is no such form */
} sigmax_activation_info;

/** As sigmax::parameter_info. */
typedef struct sigmax_parameter_info {
  size_t struct_size;
  const char* name;
  float default_value;
  float lowest;
  float highest;
  int32_t reserved;
} sigmax_parameter_info;

/** As sigmax::isa_info. */
typedef struct sigmax_isa_info {
  size_t struct_size;
  const char* name;
  int32_t lanes;
  int32_t fma;
  int32_t usable;
  int32_t reserved;
} sigmax_isa_info;

/** "1.2.3": the version of the library. */
SIGMAX_API const char* sigmax_version(void) SIGMAX_NOEXCEPT;
/** The name of a status: "ok", "invalid_argument" ...; "unknown" for what is none. */
SIGMAX_API const char* sigmax_status_string(sigmax_status status) SIGMAX_NOEXCEPT;
/** What was wrong with the last failing call of this thread, in words with the offending numbers; "ok" before there was
 * one. Valid until the thread's next failing call. */
SIGMAX_API const char* sigmax_last_error(void) SIGMAX_NOEXCEPT;

/** Set the defaults of a struct and its struct_size; `struct_size` is sizeof the struct. Null is ignored. */
SIGMAX_API void sigmax_view_init(sigmax_view* view, size_t struct_size) SIGMAX_NOEXCEPT;
SIGMAX_API void sigmax_options_init(sigmax_options* options, size_t struct_size) SIGMAX_NOEXCEPT;
SIGMAX_API void sigmax_softmax_form_init(sigmax_softmax_form* form, size_t struct_size) SIGMAX_NOEXCEPT;
SIGMAX_API void sigmax_cross_entropy_form_init(sigmax_cross_entropy_form* form, size_t struct_size) SIGMAX_NOEXCEPT;
SIGMAX_API void sigmax_gating_form_init(sigmax_gating_form* form, size_t struct_size) SIGMAX_NOEXCEPT;
SIGMAX_API void sigmax_quantisation_init(sigmax_quantisation* codes, size_t struct_size) SIGMAX_NOEXCEPT;

/** Makes `view` a dense row-major tensor in host memory. A rank out of [0, SIGMAX_MAX_RANK] is kept, and one above 0
 * without a shape is -1; every call refuses both. */
SIGMAX_API void sigmax_view_dense(sigmax_view* view, size_t struct_size, const void* data, sigmax_dtype type,
                                  int32_t rank, const int64_t* shape) SIGMAX_NOEXCEPT;

/** y[i] = op(x[i]) */
SIGMAX_API sigmax_status sigmax_activate(sigmax_activation op, const sigmax_view* x, const sigmax_view* y,
                                         const sigmax_options* options) SIGMAX_NOEXCEPT;
/** dx[i] = dy[i] * op'(x[i]) */
SIGMAX_API sigmax_status sigmax_activation_gradient(sigmax_activation op, const sigmax_view* dy, const sigmax_view* x,
                                                    const sigmax_view* dx,
                                                    const sigmax_options* options) SIGMAX_NOEXCEPT;

/** y[i] = op(a[i], b[i]). Packed tensors are two views with strides. */
SIGMAX_API sigmax_status sigmax_activate_gated(sigmax_gate op, const sigmax_view* a, const sigmax_view* b,
                                               const sigmax_view* y, const sigmax_options* options) SIGMAX_NOEXCEPT;
/** da[i] = dy[i] * (d op / d a), db[i] = dy[i] * (d op / d b) */
SIGMAX_API sigmax_status sigmax_gated_gradient(sigmax_gate op, const sigmax_view* dy, const sigmax_view* a,
                                               const sigmax_view* b, const sigmax_view* da, const sigmax_view* db,
                                               const sigmax_options* options) SIGMAX_NOEXCEPT;

/** y = exp(x - max) / sum(exp(x - max)) along `axis`, which counts from the end if it is negative. */
SIGMAX_API sigmax_status sigmax_softmax(const sigmax_view* x, const sigmax_view* y, int32_t axis,
                                        const sigmax_options* options) SIGMAX_NOEXCEPT;
/** y = (x - max) - log(sum(exp(x - max))) along `axis`. */
SIGMAX_API sigmax_status sigmax_log_softmax(const sigmax_view* x, const sigmax_view* y, int32_t axis,
                                            const sigmax_options* options) SIGMAX_NOEXCEPT;
/** softmax or log_softmax of a row's scores, with what `form` asks for. */
SIGMAX_API sigmax_status sigmax_softmax_fused(const sigmax_view* x, const sigmax_view* y, int32_t axis,
                                              const sigmax_softmax_form* form,
                                              const sigmax_options* options) SIGMAX_NOEXCEPT;
/** Only form->max, form->sum and form->lse; at least one must be given. */
SIGMAX_API sigmax_status sigmax_softmax_partial(const sigmax_view* x, int32_t axis, const sigmax_softmax_form* form,
                                                const sigmax_options* options) SIGMAX_NOEXCEPT;
/** y from x and the state of the whole row, form->max and form->sum. */
SIGMAX_API sigmax_status sigmax_softmax_finish(const sigmax_view* x, const sigmax_view* y, int32_t axis,
                                               const sigmax_softmax_form* form,
                                               const sigmax_options* options) SIGMAX_NOEXCEPT;
/** The state of two parts of a row together. */
SIGMAX_API sigmax_softmax_state sigmax_merge(sigmax_softmax_state a, sigmax_softmax_state b) SIGMAX_NOEXCEPT;

/** dx = scale y (dy - sum(dy y)) along `axis`. */
SIGMAX_API sigmax_status sigmax_softmax_gradient(const sigmax_view* dy, const sigmax_view* y, const sigmax_view* dx,
                                                 int32_t axis, float scale,
                                                 const sigmax_options* options) SIGMAX_NOEXCEPT;
/** dx = scale (dy - exp(y) sum(dy)) along `axis`. */
SIGMAX_API sigmax_status sigmax_log_softmax_gradient(const sigmax_view* dy, const sigmax_view* y, const sigmax_view* dx,
                                                     int32_t axis, float scale,
                                                     const sigmax_options* options) SIGMAX_NOEXCEPT;

/** The loss of classification: one target index a row. */
SIGMAX_API sigmax_status sigmax_cross_entropy(const sigmax_view* x, const sigmax_view* targets, const sigmax_view* loss,
                                              int32_t axis, const sigmax_cross_entropy_form* form,
                                              const sigmax_options* options) SIGMAX_NOEXCEPT;
/** dx = dloss scale (softmax(t) - (1 - e) [j = target] - e / n) */
SIGMAX_API sigmax_status sigmax_cross_entropy_gradient(const sigmax_view* dloss, const sigmax_view* x,
                                                       const sigmax_view* targets, const sigmax_view* dx, int32_t axis,
                                                       const sigmax_cross_entropy_form* form,
                                                       const sigmax_options* options) SIGMAX_NOEXCEPT;

/** The gate of a mixture of experts: the k largest scores of each row and their weights. */
SIGMAX_API sigmax_status sigmax_top_k_gating(const sigmax_view* x, const sigmax_view* weights,
                                             const sigmax_view* experts, int32_t axis, const sigmax_gating_form* form,
                                             const sigmax_options* options) SIGMAX_NOEXCEPT;

/** y in 8 bits, as `codes` tells; so in the next two. */
SIGMAX_API sigmax_status sigmax_activate_quantised(sigmax_activation op, const sigmax_view* x, const sigmax_view* y,
                                                   int32_t axis, const sigmax_quantisation* codes,
                                                   const sigmax_options* options) SIGMAX_NOEXCEPT;
SIGMAX_API sigmax_status sigmax_activate_gated_quantised(sigmax_gate op, const sigmax_view* a, const sigmax_view* b,
                                                         const sigmax_view* y, int32_t axis,
                                                         const sigmax_quantisation* codes,
                                                         const sigmax_options* options) SIGMAX_NOEXCEPT;
SIGMAX_API sigmax_status sigmax_softmax_quantised(const sigmax_view* x, const sigmax_view* y, int32_t axis,
                                                  const sigmax_softmax_form* form, const sigmax_quantisation* codes,
                                                  const sigmax_options* options) SIGMAX_NOEXCEPT;

/** What a call would do and why, without doing it. out->struct_size must be set, here and in the calls below; the
 * members that it covers are written. */
SIGMAX_API sigmax_status sigmax_explain(sigmax_activation op, const sigmax_view* x, const sigmax_view* y,
                                        const sigmax_options* options, sigmax_explanation* out) SIGMAX_NOEXCEPT;
SIGMAX_API sigmax_status sigmax_explain_gated(sigmax_gate op, const sigmax_view* a, const sigmax_view* b,
                                              const sigmax_view* y, const sigmax_options* options,
                                              sigmax_explanation* out) SIGMAX_NOEXCEPT;
SIGMAX_API sigmax_status sigmax_explain_softmax(const sigmax_view* x, const sigmax_view* y, int32_t axis,
                                                const sigmax_options* options, sigmax_explanation* out) SIGMAX_NOEXCEPT;

/** Activations are numbered from 0; this is how many the library has. */
SIGMAX_API int32_t sigmax_activation_count(void) SIGMAX_NOEXCEPT;
/** The activation of that name, or -1. */
SIGMAX_API sigmax_activation sigmax_find_activation(const char* name) SIGMAX_NOEXCEPT;
/** Facts about an activation. */
SIGMAX_API sigmax_status sigmax_describe(sigmax_activation op, sigmax_activation_info* out) SIGMAX_NOEXCEPT;
/** Facts about one of its parameters, numbered from 0. */
SIGMAX_API sigmax_status sigmax_describe_parameter(sigmax_activation op, int32_t index,
                                                   sigmax_parameter_info* out) SIGMAX_NOEXCEPT;

/** The same of gates. */
SIGMAX_API int32_t sigmax_gate_count(void) SIGMAX_NOEXCEPT;
SIGMAX_API sigmax_gate sigmax_find_gate(const char* name) SIGMAX_NOEXCEPT;
SIGMAX_API sigmax_status sigmax_describe_gate(sigmax_gate op, sigmax_activation_info* out) SIGMAX_NOEXCEPT;
SIGMAX_API sigmax_status sigmax_describe_gate_parameter(sigmax_gate op, int32_t index,
                                                        sigmax_parameter_info* out) SIGMAX_NOEXCEPT;

/** How many CPU ISA variants this build has, best first. */
SIGMAX_API int32_t sigmax_cpu_isa_count(void) SIGMAX_NOEXCEPT;
/** Number `index` of them, and whether this machine can run it. */
SIGMAX_API sigmax_status sigmax_cpu_isa(int32_t index, sigmax_isa_info* out) SIGMAX_NOEXCEPT;

/** Whether the CUDA backend can be used here; if not, sigmax_last_error tells why. */
SIGMAX_API sigmax_status sigmax_cuda_available(void) SIGMAX_NOEXCEPT;

/** As sigmax::staging_memory. */
typedef struct sigmax_staging_memory {
  size_t struct_size;
  void* pinned;
  int64_t bytes;
} sigmax_staging_memory;

/** As sigmax::calibration. */
typedef struct sigmax_calibration {
  size_t struct_size;
  const float* cpu_ns_per_element; /**< by sigmax_activation */
  int64_t activations;             /**< how many of them */
  double host_bytes_per_second;
  double host_bytes_per_second_at_most;
  double bytes_per_second_to_device;
  double bytes_per_second_from_device;
  double device_bytes_per_second;
  double launch_ns;
} sigmax_calibration;

/** Set the defaults, as those above. */
SIGMAX_API void sigmax_staging_memory_init(sigmax_staging_memory* memory, size_t struct_size) SIGMAX_NOEXCEPT;
SIGMAX_API void sigmax_calibration_init(sigmax_calibration* figures, size_t struct_size) SIGMAX_NOEXCEPT;

/** Allocates, once, what host tensors on CUDA need; a null pointer means the defaults. */
SIGMAX_API sigmax_status sigmax_warm_up(const sigmax_staging_memory* memory) SIGMAX_NOEXCEPT;
/** Frees it. */
SIGMAX_API sigmax_status sigmax_cool_down(void) SIGMAX_NOEXCEPT;
/** Lets sigmax_backend_automatic choose by estimates. */
SIGMAX_API sigmax_status sigmax_set_calibration(const sigmax_calibration* figures) SIGMAX_NOEXCEPT;

/* NOLINTEND(modernize-use-using) */

#ifdef __cplusplus
}
#endif

#endif
