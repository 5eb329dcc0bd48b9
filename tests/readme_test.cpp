// The README's table of activations is what the library says of itself; the folders' READMEs name their files.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "harness.hpp"

namespace sigmax_test {
namespace {

using readme = each_activation;

std::string row_of(std::string_view name) {
  std::ifstream file(SIGMAX_README);
  const std::string start = "| `" + std::string(name) + "` |";
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(start)) return line;
  return {};
}

TEST_P(readme, states_formula_parameters_and_bound) {
  const activation_info& info = describe(GetParam());
  std::string formula;
  for (char c : info.formula) formula += c == '|' ? std::string("\\|") : std::string(1, c);
  std::string parameters;
  for (const parameter_info& p : info.parameters) {
    char text[64];
    std::snprintf(text, sizeof text, "%s%s (%.7g)", parameters.empty() ? "" : ", ", p.name.data(),
                  static_cast<double>(p.default_value));
    parameters += text;
  }
  char bound[32];
  std::snprintf(bound, sizeof bound, "%g", static_cast<double>(info.bound_f32));
  const std::string expected = "| `" + std::string(info.name) + "` | " + formula + " | " +
                               (parameters.empty() ? "-" : parameters) + " | " + bound + " | ";
  const std::string row = row_of(info.name);
  EXPECT_TRUE(row.starts_with(expected)) << "README has: " << row << "\nexpected:   " << expected;
}

SIGMAX_FOR_EACH_ACTIVATION(readme);

// By `name` or `name.suffix`: a header stands for the source beside it.
TEST(folders, name_their_files) {
  namespace fs = std::filesystem;
  for (const char* folder : {"kernels", "cpu", "tests"}) {
    const fs::path here = fs::path(SIGMAX_README).parent_path() / folder;
    std::ifstream file(here / "README.md");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    ASSERT_FALSE(text.empty()) << here;
    for (const fs::directory_entry& entry : fs::directory_iterator(here)) {
      const std::string suffix = entry.path().extension(), start = "`" + entry.path().stem().string();
      if (std::string(".cpp .hpp .cu .c .h .sh .py ").find(suffix + ' ') == std::string::npos || suffix.empty())
        continue;
      EXPECT_TRUE(text.find(start + '`') != text.npos || text.find(start + '.') != text.npos)
          << folder << "/README.md lacks " << entry.path().filename();
    }
  }
}

}  // namespace
}  // namespace sigmax_test
