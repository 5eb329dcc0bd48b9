// Stored results: reading them, matching them, and the forms of other tools, byte by byte.
#include "cpu_list.hpp"
#include "exit_code.hpp"
#include "figures.hpp"
#include "filter.hpp"
#include "foreign_format.hpp"
#include "machine_text.hpp"
#include "matching_output.hpp"
#include "output_file.hpp"
#include "progress.hpp"

#include <gtest/gtest.h>

#include <fmt/core.h>

#include <random>

namespace {

using namespace sigmax_bench;

std::string entry(const std::string& name, const std::string& samples,
                  const std::string& more = "\"kind\": \"kernel\"") {
  return fmt::format(R"({{"name": "{0}_median", "run_name": "{0}", "run_type": "aggregate", "aggregate_name": "median",
    "real_time": 1, "time_unit": "ns", "samples": [{1}], "elements": 1024, "bytes_per_second": 8e9, {2}}})",
                     name, samples, more);
}

std::string document(const std::string& entries, const std::string& machine = R"("cpu": "A", "machine_id": "1")") {
  return fmt::format(
      R"({{"context": {{"date": "2026-11-01T00:00:00+00:00", "host_name": "h", "num_cpus": 2, "caches": [],
    "machine": {{{}, "cores": 2, "caches": [{{"type": "Data", "level": 1, "size": 32768, "num_sharing": 1}}]}}}},
    "benchmarks": [{}]}})",
      machine, entries);
}

const std::string two_ops =
    entry("gelu/f32/1Ki/avx2/1t", "100, 110, 90", R"("kind": "kernel", "repro": "sigmax-bench run --op gelu")") + "," +
    entry("relu/f32/1Ki/avx2/1t", "10, 10, 10") + "," +
    entry("onednn:gelu/f32/1Ki/1t", "200, 200, 200", R"("kind": "peer")") + "," +
    entry("copy:memcpy/f32/1Ki/1t", "8, 8, 8", R"("kind": "roof")");

TEST(results, names_are_read) {
  const result_file f = parse_results(document(two_ops), "dir/a.json");
  EXPECT_EQ(f.label, "a");
  EXPECT_EQ(f.machine_id(), "1");
  ASSERT_EQ(f.rows.size(), 4u);
  EXPECT_EQ(f.rows[0].op, "gelu");
  EXPECT_EQ(f.rows[0].isa, "avx2");
  EXPECT_EQ(f.rows[0].threads, "1");
  EXPECT_EQ(f.rows[0].time(), 100);
  EXPECT_DOUBLE_EQ(f.rows[0].spread(), 0.1);
  EXPECT_EQ(f.rows[2].library, "onednn");
  EXPECT_EQ(f.rows[2].op, "gelu");
  EXPECT_EQ(f.rows[3].kind, "roof");
  EXPECT_NEAR(f.rows[0].bytes, 800, 1e-9);
}

TEST(results, forms_and_options_in_names) {
  const result_file f =
      parse_results(document(entry("softmax+scale/bf16/64x1024/avx512/2t/in_place/cold", "5")), "a.json");
  EXPECT_EQ(f.rows[0].op, "softmax+scale");
  EXPECT_EQ(f.rows[0].threads, "2");
  EXPECT_EQ(f.rows[0].form, "in_place+cold");
}

TEST(results, google_benchmarks_own_files) {
  const result_file f = parse_results(R"({"context": {}, "benchmarks": [
    {"name": "BM_x", "run_type": "iteration", "real_time": 2, "time_unit": "us"},
    {"name": "BM_x", "run_type": "iteration", "real_time": 4, "time_unit": "us"},
    {"name": "BM_x_mean", "run_name": "BM_x", "run_type": "aggregate", "aggregate_name": "mean", "real_time": 3, "time_unit": "us"}]})",
                                      "a.json");
  ASSERT_EQ(f.rows.size(), 1u);
  EXPECT_EQ(f.rows[0].samples, (std::vector{2000.0, 4000.0}));
}

TEST(results, of_aggregates_the_median) {
  const result_file f = parse_results(R"({"context": {}, "benchmarks": [
    {"name": "BM_x_mean", "run_name": "BM_x", "run_type": "aggregate", "aggregate_name": "mean", "real_time": 3},
    {"name": "BM_x_median", "run_name": "BM_x", "run_type": "aggregate", "aggregate_name": "median", "real_time": 2}]})",
                                      "a.json");
  ASSERT_EQ(f.rows.size(), 1u);
  EXPECT_EQ(f.rows[0].time(), 2);
}

TEST(results, broken_files_are_refused_in_one_line) {
  for (const char* text :
       {"", "x", "[]", "{}", "null", "{\"context\": {}}", "{\"context\": {}, \"benchmarks\": 7}",
        "{\"context\": {}, \"benchmarks\": []}", "{\"context\": 3, \"benchmarks\": [{}]}",
        "{\"context\": {}, \"benchmarks\": [{\"name\": \"a\"}]}",
        "{\"context\": {}, \"benchmarks\": [{\"name\": \"a\", \"real_time\": \"b\"}]}",
        "{\"context\": {}, \"benchmarks\": [{\"name\": \"a\", \"real_time\": -1}]}",
        "{\"context\": {}, \"benchmarks\": [{\"name\": \"a\", \"real_time\": 1, \"time_unit\": \"h\"}]}",
        "{\"context\": {}, \"benchmarks\": [{\"name\": \"a\", \"samples\": [0], \"real_time\": 1}]}",
        "{\"context\": {\"machine\": 1}, \"benchmarks\": [{\"name\": \"a\", \"real_time\": 1}]}",
        "{\"context\": {\"machine\": {\"caches\": [1]}}, \"benchmarks\": [{\"name\": \"a\", \"real_time\": 1}]}"}) {
    EXPECT_THROW(static_cast<void>(parse_results(text, "a.json")), usage_error) << text;
  }
}

// Cut off anywhere, and with bytes changed at random: refused or read, never a crash.
TEST(results, truncated_and_damaged_files) {
  const std::string whole = document(two_ops);
  for (std::size_t n = 0; n < whole.size(); ++n)
    EXPECT_THROW(static_cast<void>(parse_results(whole.substr(0, n), "a.json")), usage_error) << n;
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    std::string damaged = whole;
    for (int k = 0; k < 3; ++k) damaged[random() % damaged.size()] = static_cast<char>(random());
    try {
      const std::vector<result_file> one{parse_results(damaged, "a.json")};
      static_cast<void>(match(one, compared_by::library, true));
      static_cast<void>(sweep_figures(one[0], ""));
      static_cast<void>(heat_figures(one[0], ""));
      static_cast<void>(converted(one[0], foreign_format::bencher).dump());
    } catch (const usage_error&) {
    }
  }
}

TEST(matching, by_file) {
  const std::vector<result_file> files{
      parse_results(document(two_ops), "old.json"),
      parse_results(document(entry("gelu/f32/1Ki/avx2/1t", "50, 55, 45") + "," + entry("tanh/f32/1Ki/avx2/1t", "1")),
                    "new.json")};
  const matching m = match(files, compared_by::file, false);
  ASSERT_EQ(m.cases.size(), 1u);
  EXPECT_EQ(m.cases[0].name, "gelu/f32/1Ki/avx2/1t");
  EXPECT_DOUBLE_EQ(m.cases[0].cells[1].ratio, 2);
  ASSERT_TRUE(m.cases[0].cells[1].range);
  EXPECT_LE(m.cases[0].cells[1].range->low, 2);
  EXPECT_GE(m.cases[0].cells[1].range->high, 2);
  EXPECT_DOUBLE_EQ(m.columns[1].geometric_mean, 2);
  EXPECT_EQ(m.unmatched,
            (std::vector<std::string>{"only in old: relu/f32/1Ki/avx2/1t", "only in old: onednn:gelu/f32/1Ki/1t",
                                      "only in new: tanh/f32/1Ki/avx2/1t"}));
  const matching back = match(files, compared_by::file, false, "new");
  EXPECT_DOUBLE_EQ(back.cases[0].cells[1].ratio, 0.5);
}

TEST(matching, by_library_and_reference) {
  const std::vector<result_file> files{parse_results(document(two_ops), "a.json")};
  const matching m = match(files, compared_by::library, false, "onednn");
  ASSERT_EQ(m.cases.size(), 1u);
  EXPECT_EQ(m.cases[0].name, "gelu/f32/1Ki/1t");
  EXPECT_EQ(m.columns[1].name, "sigmax");
  EXPECT_DOUBLE_EQ(m.columns[1].geometric_mean, 2);
  EXPECT_THROW(static_cast<void>(match(files, compared_by::library, false, "mkl")), usage_error);
  EXPECT_THROW(static_cast<void>(match(files, compared_by::isa, false)), usage_error);
}

TEST(matching, a_machine_shows_its_fastest_isa) {
  const std::vector<result_file> files{
      parse_results(document(entry("gelu/f32/1Ki/avx512/1t", "50") + "," + entry("gelu/f32/1Ki/avx2/1t", "100")),
                    "x.json"),
      parse_results(document(entry("gelu/f32/1Ki/neon64/1t", "200"), R"("cpu": "B", "machine_id": "2")"), "y.json")};
  const matching m = match(files, compared_by::machine, false);
  ASSERT_EQ(m.cases.size(), 1u);
  EXPECT_DOUBLE_EQ(m.cases[0].cells[1].ratio, 0.25);
  const std::vector<result_file> twins{
      parse_results(document(entry("gelu/f32/1Ki/avx2/1t", "50")), "x.json"),
      parse_results(document(entry("gelu/f32/1Ki/avx2/1t", "50"), R"("cpu": "A", "machine_id": "3")"), "y.json")};
  EXPECT_EQ(match(twins, compared_by::machine, false).columns.size(), 2u);
}

TEST(formats, google_benchmark) {
  EXPECT_EQ(
      converted(parse_results(document(entry("relu/f32/1Ki/avx2/1t", "10, 12, 11")), "a.json"),
                foreign_format::google_benchmark)
          .dump(),
      R"({"context":{"date":"2026-11-01T00:00:00+00:00","host_name":"h","num_cpus":2,"caches":[]},"benchmarks":[)"
      R"({"name":"relu/f32/1Ki/avx2/1t","run_name":"relu/f32/1Ki/avx2/1t","run_type":"iteration","repetitions":1,)"
      R"("repetition_index":0,"threads":1,"iterations":3,"real_time":11.0,"cpu_time":11.0,"time_unit":"ns",)"
      R"("bytes_per_second":8000000000.0}]})");
}

TEST(formats, github_action_benchmark) {
  EXPECT_EQ(converted(parse_results(document(two_ops), "a.json"), foreign_format::github_action_benchmark)[0].dump(),
            R"({"name":"gelu/f32/1Ki/avx2/1t","unit":"ns","value":100.0,"range":"± 10",)"
            R"("extra":"0.09766 ns/element\n8.0 GB/s\nsigmax-bench run --op gelu"})");
}

TEST(formats, bencher) {
  const auto all = converted(parse_results(document(two_ops), "a.json"), foreign_format::bencher);
  EXPECT_EQ(all.size(), 3u);  // no roofs
  EXPECT_EQ(
      all["gelu/f32/1Ki/avx2/1t"].dump(),
      R"({"latency":{"value":100.0,"lower_value":90.0,"upper_value":110.0},"throughput":{"value":8000000000.0}})");
}

TEST(formats, comparison_csv) {
  const std::vector<result_file> files{parse_results(document(entry("relu/f32/1Ki/avx2/1t", "10")), "a.json"),
                                       parse_results(document(entry("relu/f32/1Ki/avx2/1t", "20")), "b.json")};
  EXPECT_EQ(matching_csv(match(files, compared_by::file, false)),
            "case,column,ns_per_element,spread,ratio,ratio_low,ratio_high\n"
            "relu/f32/1Ki/avx2/1t,a,0.00976562,0,1,,\n"
            "relu/f32/1Ki/avx2/1t,b,0.0195312,0,0.5,,\n");
}

TEST(formats, html_has_no_markup_of_others) {
  table t{{{"a<b"}}, {{"\"x\" & <script>"}}};
  EXPECT_EQ(t.html(),
            "<div class=\"table\"><table>\n<thead><tr><th>a&lt;b</th></tr></thead>\n<tbody>\n"
            "<tr><td>&quot;x&quot; &amp; &lt;script&gt;</td></tr>\n</tbody></table></div>\n");
}

TEST(figures, sweep_has_caches_and_copies) {
  std::string entries;
  for (const char* size : {"1Ki", "4Ki", "16Ki"}) {
    const double elements = std::stod(size) * 1024;
    for (const char* name : {"relu/f32/{}/avx2/1t", "copy:memcpy/f32/{}/1t"}) {
      std::string text = name;
      text.replace(text.find("{}"), 2, size);
      entries +=
          fmt::format(R"({}{{"name": "{}", "kind": "{}", "real_time": {}, "elements": {}, "bytes_per_second": {}}})",
                      entries.empty() ? "" : ",", text, text[0] == 'r' ? "kernel" : "roof", elements, elements, 8e9);
    }
  }
  const std::vector<figure> all = sweep_figures(parse_results(document(entries), "a.json"), "");
  ASSERT_EQ(all.size(), 1u);
  ASSERT_EQ(all[0].curves.size(), 2u);
  EXPECT_EQ(all[0].curves[0].name, "relu avx2");
  EXPECT_EQ(all[0].curves[1].name, "copy");
  ASSERT_EQ(all[0].x_marks.size(), 1u);
  EXPECT_EQ(all[0].x_marks[0].text, "L1 32 KiB");
  EXPECT_NE(gnuplot_script(all[0]).find("title \"relu avx2\""), std::string::npos);
}

TEST(words, a_cuda_device) {
  const std::string text = machine_text({{"cpu", "A"},
                                         {"microarchitecture", "Zen 4"},
                                         {"cuda",
                                          {{"available", true},
                                           {"message", "ok"},
                                           {"device",
                                            {{"name", "NVIDIA X"},
                                             {"multiprocessors", 132},
                                             {"mhz", 1980},
                                             {"memory_bytes", 85899345920},
                                             {"driver", "CUDA 13.0"}}}}}});
  for (const char* line : {"cpu                A\n", "microarchitecture  Zen 4\n", "cuda               available: ok\n",
                           "cuda device        name: NVIDIA X\n", "cuda device        multiprocessors: 132\n",
                           "cuda device        mhz: 1980\n", "cuda device        memory: 81920 MiB\n",
                           "cuda device        driver: CUDA 13.0\n"})
    EXPECT_NE(text.find(line), std::string::npos) << text;
}

// Shapes of different columns become a curve over shapes, peers beside ours; a grid becomes a heat map, and only that.
TEST(figures, shapes_and_grids) {
  const auto rows = [](std::initializer_list<const char*> shapes) {
    std::string entries;
    for (const std::string shape : shapes) {
      const std::string extents =
          fmt::format(R"("rows": {}, "cols": {})", shape.substr(0, shape.find('x')), shape.substr(shape.find('x') + 1));
      entries += (entries.empty() ? "" : ",") +
                 entry("softmax/f32/" + shape + "/avx2/1t", "100", R"("kind": "kernel", )" + extents) + "," +
                 entry("eigen:softmax/f32/" + shape + "/1t", "200", R"("kind": "peer")");
    }
    return parse_results(document(entries), "a.json");
  };
  const result_file list = rows({"8x64", "2x256", "1x512"}), grid = rows({"8x64", "2x64", "8x512", "2x512"});
  const std::vector<figure> all = sweep_figures(list, "");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].categories, (std::vector<std::string>{"8x64", "2x256", "1x512"}));
  ASSERT_EQ(all[0].curves.size(), 2u);
  EXPECT_EQ(all[0].curves[0].name, "softmax avx2");
  EXPECT_EQ(all[0].curves[1].name, "eigen: softmax");
  EXPECT_TRUE(heat_figures(list, "").empty());
  EXPECT_EQ(heat_figures(grid, "").size(), 1u);
  EXPECT_TRUE(sweep_figures(grid, "").empty());  // one number of bytes: neither a size nor a list of shapes
}

TEST(figures, of_hostile_numbers) {
  for (const char* numbers : {R"("rows": 4, "cols": 0)", R"("rows": 4, "cols": 1e300)", R"("rows": -1, "cols": -1)"}) {
    const result_file f = parse_results(
        document(entry("softmax/f32/4x0/avx2/1t", "5", std::string(R"("kind": "kernel", )") + numbers)), "a.json");
    EXPECT_TRUE(heat_figures(f, "").empty());
    EXPECT_TRUE(sweep_figures(f, "").empty());
  }
  EXPECT_THROW(static_cast<void>(parse_results(R"({"context": {}, "benchmarks": [
    {"name": "a", "real_time": 1e300, "bytes_per_second": 1e300}]})",
                                               "a.json")),
               usage_error);
}

TEST(words, cpu_lists) {
  EXPECT_EQ(parse_cpus("0-2,5"), (std::vector{0, 1, 2, 5}));
  for (const char* bad : {"", "a", "1-", "3-1", "1,", "-1", "0-99999999"})
    EXPECT_THROW(static_cast<void>(parse_cpus(bad)), usage_error) << bad;
}

TEST(words, filters) {
  EXPECT_TRUE(std::regex_search("gelu/f32/64Ki", filter_of("^gelu/.*64")));
  EXPECT_TRUE(std::regex_search("aaa", filter_of("^a{3}$")));
  for (const std::string& bad : {std::string("("), std::string("\\") + std::string(40, '3'),
                                 "a{" + std::string(20, '0') + "1}", std::string(200000, '(')})
    EXPECT_THROW(static_cast<void>(filter_of(bad)), usage_error) << bad.substr(0, 50);
  EXPECT_FALSE(std::regex_search(std::string(200, 'a'), filter_of("^(a*)*b")));  // or the test does not end
}

TEST(words, progress_bars) {
  EXPECT_EQ(progress_bar(0, 10, 5), "[>         ]");
  EXPECT_EQ(progress_bar(5, 10, 65), "[=====>    ] 1:05 left");
  EXPECT_EQ(progress_bar(10, 10, 5), "[==========]");
}

}  // namespace
