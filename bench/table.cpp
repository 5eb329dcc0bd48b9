#include "table.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace sigmax_bench {
namespace {

// Terminals count characters, not bytes: continuation bytes of UTF-8 take no column.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace

std::string table::markdown() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::size_t widest = width_of(columns[i].title);
    for (const auto& row : rows) widest = std::max(widest, width_of(escaped(row[i])));
    widths.push_back(std::max<std::size_t>(widest, 3));
  }
  std::string out = "|";
  const auto cell = [&](std::size_t i, const std::string& text) {
    const std::string padding(widths[i] - width_of(text), ' ');
    out += columns[i].number ? fmt::format(" {}{} |", padding, text) : fmt::format(" {}{} |", text, padding);
  };
  for (std::size_t i = 0; i < columns.size(); ++i) cell(i, columns[i].title);
  out += "\n|";
  for (std::size_t i = 0; i < columns.size(); ++i) {
    out += columns[i].number ? fmt::format(" {}: |", std::string(widths[i] - 1, '-'))
                             : fmt::format(" {} |", std::string(widths[i], '-'));
  }
  for (const auto& row : rows) {
    out += "\n|";
    for (std::size_t i = 0; i < columns.size(); ++i) cell(i, escaped(row[i]));
  }
  return out + "\n";
}

std::string table::csv() const {
  std::string out;
  const auto line = [&](const auto& cells, auto text_of) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i != 0) out += ',';
      out += quoted(text_of(cells[i]));
    }
    out += '\n';
  };
  line(columns, [](const column& c) { return c.title; });
  for (const auto& row : rows) line(row, [](const std::string& text) { return text; });
  return out;
}

std::string html_escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string table::html() const {
  std::string out = "<div class=\"table\"><table>\n<thead><tr>";
  const auto cell = [&](const char* tag, std::size_t i, const std::string& text) {
    out += fmt::format("<{}{}>{}</{}>", tag, columns[i].number ? " class=\"number\"" : "", html_escaped(text), tag);
  };
  for (std::size_t i = 0; i < columns.size(); ++i) cell("th", i, columns[i].title);
  out += "</tr></thead>\n<tbody>\n";
  for (const auto& row : rows) {
    out += "<tr>";
    for (std::size_t i = 0; i < columns.size(); ++i) cell("td", i, row[i]);
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

}  // namespace sigmax_bench
