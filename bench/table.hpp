// Rows of text as Markdown with aligned columns, or as CSV.
#pragma once

#include <string>
#include <vector>

namespace sigmax_bench {

struct table {
  struct column {
    std::string title;
    bool number = false;  // right-aligned
  };
  std::vector<column> columns;
  std::vector<std::vector<std::string>> rows;

  std::string markdown() const;
  std::string csv() const;
};

}  // namespace sigmax_bench
