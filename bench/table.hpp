// Rows of text as Markdown with aligned columns, as CSV, or as HTML.
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
  std::string html() const;
};

std::string html_escaped(const std::string& text);

}  // namespace sigmax_bench
