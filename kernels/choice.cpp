#include "choice.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cuda_backend.hpp"

namespace sigmax {
namespace {

struct environment {
  const char* isa;
  const char* backend;
};
/// Read once, at the first call. An empty one is as good as none.
const environment& environment_variables() noexcept {
  const auto value_of = [](const char* name) noexcept -> const char* {
    const char* const v = std::getenv(name);
    return v != nullptr && *v != '\0' ? v : nullptr;
  };
  static const environment e{value_of("SIGMAX_ISA"), value_of("SIGMAX_BACKEND")};
  return e;
}

/// The faster backend as estimated, and why; the CPU where nothing says that it is not.
backend faster_backend(const options& how, memory where, const call_kind& kind, choice& out) noexcept {
  cost_figures f;
  if (kind.facts == nullptr || !figures_of(kind.op, f)) return backend::cpu;
  out.cpu_ns = estimate_cpu(f, *kind.facts);
  out.cuda_ns = estimate_cuda(f, *kind.facts);
  const auto stay = [&](const char* why) {
    out.because = why;
    return backend::cpu;
  };
  if (how.isa != nullptr || environment_variables().isa != nullptr) return stay("an ISA is named");
  if (!cpu_isa_list().usable[0]->fma) return stay("without FMA its bits are others than CUDA's");
  if (kind.facts->elements <= short_call) return stay("the call is short");
  if (cuda_missing_because() != nullptr) return stay("CUDA cannot be used");
  if (where == memory::host && !cuda_is_warm()) return stay("warm_up was not called");
  if (out.cpu_ns == 0 || out.cuda_ns == 0) return stay("a figure was not measured");
  if (out.cuda_ns >= out.cpu_ns) return stay("CUDA is estimated to be no faster");
  out.because = "CUDA is estimated to be faster";
  return backend::cuda;
}

status choose_backend(const options& how, memory where, const call_kind& kind, choice& out) noexcept {
  using enum status_code;
  backend& chosen = out.where;
  chosen = how.where;
  if (chosen == backend::automatic) {
    const char* forced = environment_variables().backend;
    if (forced != nullptr && std::strcmp(forced, "automatic") != 0) {
      if (std::strcmp(forced, "cuda") == 0)
        chosen = backend::cuda;
      else if (std::strcmp(forced, "cpu") == 0)
        chosen = backend::cpu;
      else
        return failure(unavailable, "SIGMAX_BACKEND is \"%s\", not automatic, cpu or cuda", forced);
    }
  }
  if (chosen == backend::automatic)
    chosen = where == memory::cuda ? backend::cuda : faster_backend(how, where, kind, out);
  if (chosen == backend::cuda) {
    if (const char* why = cuda_missing_because()) return failure(unavailable, "CUDA backend: %s", why);
    out.staged = where == memory::host;
    if (out.staged && !kind.takes_host)
      return failure(
          unsupported,
          "the CUDA backend takes host memory of activations, their gradients, gates, softmax and log_softmax; "
          "of others device and managed memory");
    if (out.staged && !cuda_is_warm())
      return failure(unavailable, "host memory on CUDA needs staging memory: call warm_up first, once");
  }
  if (chosen == backend::cpu && where == memory::cuda)
    return failure(unsupported, "the CPU backend cannot reach CUDA device memory");
  return {};
}

/// The row of that name, or the best one for null; null if this machine has none.
const kernel_table* usable_row(const char* name) noexcept {
  const isa_list& list = cpu_isa_list();
  for (int i = 0; i < list.usable_count; ++i)
    if (name == nullptr || std::strcmp(list.usable[i]->name, name) == 0) return list.usable[i];
  return nullptr;
}

status choose_isa(const options& how, choice& out) noexcept {
  const char* wanted = how.isa;
  const char* where = "options.isa";
  out.isa_reason = "named in options";
  if (wanted == nullptr) {
    wanted = environment_variables().isa;
    where = "SIGMAX_ISA";
    out.isa_reason = "named in SIGMAX_ISA";
  }
  if (wanted == nullptr) out.isa_reason = "the best this machine has";
  out.table = usable_row(wanted);
  if (out.table != nullptr) return {};
  const isa_list& list = cpu_isa_list();
  for (int i = 0; i < list.all_count; ++i)
    if (std::strcmp(list.all[i].name, wanted) == 0)
      return failure(status_code::unavailable, "%s: this machine cannot run \"%s\"", where, wanted);
  return failure(status_code::unavailable, "%s: this build has no ISA row \"%s\"", where, wanted);
}

}  // namespace

status choose(const options& how, memory where, choice& out, const call_kind& kind) noexcept {
  if (status s = choose_backend(how, where, kind, out); !s) return s;
  out.table = nullptr;
  return out.where == backend::cuda ? status{} : choose_isa(how, out);
}

status choose_for_codes(const options& how, const const_view& y, const quantisation& codes, choice& c,
                        bool& empty) noexcept {
  if (status s = choose(how, y.where, c); !s) return s;
  empty = element_count(y) == 0 && codes.row_scales.data == nullptr && codes.amax.data == nullptr;
  return {};
}

void tell(const choice& c, memory where, explanation& out) noexcept {
  out.where = c.where;
  out.cpu_ns = c.cpu_ns;
  out.cuda_ns = c.cuda_ns;
  const char* const before = c.because != nullptr ? ": " : "";
  const char* const because = c.because != nullptr ? c.because : "";
  if (c.where == backend::cuda) {
    std::snprintf(out.reason, sizeof out.reason, "%s memory runs on CUDA%s%s%s",
                  where == memory::managed ? "managed"
                  : c.staged               ? "host"
                                           : "device",
                  c.staged ? " through staging memory" : "", before, because);
    return;
  }
  out.isa = c.table->name;
  const char* const missing = cuda_missing_because();
  std::snprintf(out.reason, sizeof out.reason, "%s memory runs on the CPU%s%s%s%s; ISA %s is %s",
                where == memory::managed ? "managed" : "host", before, because, missing ? ": " : "",
                missing ? missing : "", c.table->name, c.isa_reason);
}

const kernel_table* row_without_plan(const options& how) noexcept {
  static const kernel_table* const best =
      environment_variables().backend == nullptr ? usable_row(environment_variables().isa) : nullptr;
  if (best == nullptr || how.slices != 1 || how.where == backend::cuda || !validate_options(how)) return nullptr;
  return how.isa == nullptr ? best : usable_row(how.isa);
}

status warm_up(const staging_memory& given) noexcept { return cuda_warm_up(given); }
status cool_down() noexcept { return cuda_cool_down(); }

status cuda_available() noexcept {
  if (const char* why = cuda_missing_because()) return failure(status_code::unavailable, "CUDA backend: %s", why);
  return {};
}

}  // namespace sigmax
