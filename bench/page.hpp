// One HTML file that needs nothing else: no script, no font, no network.
#pragma once

#include <string>

namespace sigmax_bench {

/// `body` is HTML; light or dark as the reader's system is.
std::string html_page(const std::string& title, const std::string& body);

/// "<p>..." of plain text.
std::string paragraph(const std::string& text);
std::string heading(int level, const std::string& text);

}  // namespace sigmax_bench
