#include "page.hpp"

#include "table.hpp"

#include <fmt/core.h>

namespace sigmax_bench {
namespace {

// The figures' own text and frames are drawn in currentColor, so they follow.
constexpr const char* style = R"(
:root { color-scheme: light dark; --text: #1c2024; --soft: #5b646d; --back: #ffffff; --line: #d6dbe0; --stripe: #f5f7f9; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9ec; --soft: #a2abb4; --back: #15181b; --line: #363c42; --stripe: #1d2125; }
}
body { margin: 2rem auto; padding: 0 1rem; max-width: 82rem; background: var(--back); color: var(--text);
       font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; } h2 { margin-top: 2.2rem; font-size: 1.3rem; } h3 { font-size: 1.05rem; }
p { max-width: 60rem; } a { color: inherit; } code { font-size: 0.92em; }
.soft { color: var(--soft); }
.table { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: 0.88rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { border-bottom-width: 2px; white-space: nowrap; } .number { text-align: right; white-space: nowrap; }
tbody tr:nth-child(even) { background: var(--stripe); }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; max-width: 100%; overflow-x: auto; }
pre { overflow-x: auto; }
/* A phone scrolls a wide figure rather than shrinking its letters. */
figure svg { display: block; max-width: max(100%, 40rem); height: auto; color: var(--text); }
)";

}  // namespace

std::string html_page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n"
      "<style>{}</style>\n</head>\n<body>\n<h1>{}</h1>\n{}</body>\n</html>\n",
      html_escaped(title), style, html_escaped(title), body);
}

std::string paragraph(const std::string& text) { return fmt::format("<p>{}</p>\n", html_escaped(text)); }

std::string heading(int level, const std::string& text) {
  return fmt::format("<h{}>{}</h{}>\n", level, html_escaped(text), level);
}

}  // namespace sigmax_bench
