#include "case_options.hpp"

#include "arguments.hpp"
#include "command.hpp"
#include "output_file.hpp"

#include <fmt/core.h>

#include <charconv>
#include <sstream>

namespace sigmax_bench {
namespace {

// `fallback` where nothing was given.
template <class Parse>
auto parsed(const std::vector<std::string>& words, const char* fallback, Parse parse) {
  std::vector<decltype(parse(std::string_view{}))> values;
  if (words.empty()) return std::vector{parse(fallback)};
  values.reserve(words.size());
  for (const std::string& word : words) values.push_back(parse(word));
  return values;
}

request request_of(const case_wishes& w) {
  const auto or_else = [](const auto& words, const char* word) {
    return words.empty() ? std::vector<std::string>{word} : words;
  };
  request r;
  r.ops = parse_operations(or_else(w.ops, "all"));
  r.types = parsed(w.dtypes, "f32", parse_dtype);
  for (const std::string& shape : w.shapes) r.sizes.push_back(parse_shape(shape));
  const bool neither = w.sizes.empty() && w.shapes.empty();
  for (const std::string& word : neither ? std::vector<std::string>{"64Ki", "64Mi"} : w.sizes) {
    for (const std::int64_t n : parse_sizes(word)) r.sizes.push_back({0, n});
  }
  r.backends = parsed(w.backends, "cpu", parse_backend);
  r.isas = parse_isas(or_else(w.isas, "best"));
  r.threads = parsed(w.threads, "1", parse_threads);
  r.in_place = w.in_place;
  r.cold = parsed(w.caches, "hot", [](std::string_view word) {
    if (word != "hot" && word != "cold") throw usage_error(fmt::format("caches are hot or cold, not '{}'", word));
    return word == "cold";
  });
  r.max_bytes = max_bytes_of(w);
  return r;
}

}  // namespace

void add_case_options(CLI::App& command, case_wishes& into) {
  const auto list = [&](const char* name, std::vector<std::string>& words, const char* text) {
    command.add_option(name, words, text)->delimiter(',')->allow_extra_args(false)->take_all();
  };
  list("--op", into.ops,
       "gelu,silu:fast,silu:gradient,softmax+scale+causal,cross_entropy:gradient+lse,all,all:fast,all:gradient; "
       "'sigmax-bench list' shows ops and options");
  list("--dtype", into.dtypes, "f32,f16,bf16");
  list("--size", into.sizes, "elements: 4096,64Ki,64Mi, or a sweep 1Ki:256Mi*2");
  list("--shape", into.shapes,
       "[BATCHx]ROWSxCOLS, for attention batch x queries x keys: 64x1024,4Kix32000,32x4096x4096");
  list("--backend", into.backends, "automatic,cpu,cuda");
  list("--isa", into.isas, "ISAs of 'sigmax-bench info', all, best");
  list("--threads", into.threads, "1,2,all");
  list("--cache", into.caches, "hot, cold (the tensors leave the caches before every call), or both");
  command.add_flag("--in-place", into.in_place, "the output overwrites the input");
  command.add_option("--max-bytes", into.max_bytes,
                     "bytes of a case's tensors (1Gi): what needs more is halved from its first extent on");
  command.add_option("--batch", into.batch, "a file of such options, the words of one request a line; # is a comment");
  command.add_option("--filter", into.filter, "only cases whose name contains this regular expression");
}

std::int64_t max_bytes_of(const case_wishes& w) { return w.max_bytes.empty() ? 0 : parse_size(w.max_bytes); }

std::vector<bench_case> wished_cases(const case_wishes& w) {
  if (w.batch.empty()) return w.any_axis() ? expand(request_of(w)) : std::vector<bench_case>{};
  if (w.any_axis()) throw usage_error("--batch has its own options on every line: give it without others");
  std::vector<bench_case> all;
  for (const std::string& line : batch_lines(w.batch)) {
    const std::vector<bench_case> more = cases_of_line(line);
    all.insert(all.end(), more.begin(), more.end());
  }
  if (all.empty()) throw usage_error(fmt::format("'{}' asks for nothing", w.batch));
  return all;
}

std::vector<bench_case> cases_of_line(const std::string& line) {
  CLI::App parser;
  case_wishes w;
  add_case_options(parser, w);
  try {
    parser.parse(line);
    if (!w.batch.empty()) throw usage_error("a batch file cannot name another");
    return select(expand(request_of(w)), w.filter);
  } catch (const CLI::Error& error) {
    throw usage_error(fmt::format("in '{}': {}", line, error.what()));
  } catch (const usage_error& error) {
    throw usage_error(fmt::format("in '{}': {}", line, error.what()));
  }
}

std::vector<std::string> batch_lines(const std::string& path) { return batch_lines_of(read_text(path)); }

std::vector<std::string> batch_lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    line = line.substr(0, line.find('#'));
    const std::size_t first = line.find_first_not_of(" \t\r"), last = line.find_last_not_of(" \t\r");
    if (first != std::string::npos) lines.push_back(line.substr(first, last - first + 1));
  }
  return lines;
}

std::string words_of(const bench_case& c) {
  std::string words = fmt::format("--op {} --dtype {}", c.op.name(), name_of(c.type));
  words += fmt::format(" {} {}", c.size.rows == 0 ? "--size" : "--shape", c.size.name());
  if (c.where != sigmax::backend::cpu) words += fmt::format(" --backend {}", name_of(c.where));
  if (!c.isa.empty()) words += " --isa " + c.isa;
  if (c.threads != 1) words += fmt::format(" --threads {}", c.threads);
  if (c.cold) words += " --cache cold";
  return words + (c.in_place ? " --in-place" : "");
}

std::vector<std::int64_t> parse_sizes(std::string_view text) {
  const std::size_t colon = text.find(':'), times = text.find('*');
  if (colon == std::string_view::npos) return {parse_size(text)};
  int factor = 2;
  if (times != std::string_view::npos) {
    const std::string_view digits = text.substr(times + 1);
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), factor);
    if (problem != std::errc{} || end != digits.data() + digits.size() || factor < 2)
      throw usage_error(fmt::format("sweep '{}' does not multiply by a whole number of 2 or more", text));
  }
  const std::int64_t first = parse_size(text.substr(0, colon));
  const std::int64_t last =
      parse_size(text.substr(colon + 1, times == std::string_view::npos ? times : times - colon - 1));
  if (last < first) throw usage_error(fmt::format("sweep '{}' ends before it begins", text));
  std::vector<std::int64_t> sizes;
  for (std::int64_t n = first; n <= last; n *= factor) {
    sizes.push_back(n);
    if (n > last / factor) break;  // the next would be beyond, or overflow
  }
  return sizes;
}

}  // namespace sigmax_bench
