#pragma once

#include "tools/text/document.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace bulkhead::command {

using config::json;

/// What `bulkhead top` shows, and of what.
struct top_view {
  enum class page { workers, failures, events, actors, text, help };
  page shown = page::workers;
  std::size_t sorted_by = 0; ///< column of the workers' table
  std::string filter;        ///< only workers with this in a column
  bool typing = false;       ///< the filter is being typed
  std::size_t selected = 0;  ///< row of the page
  std::string text;          ///< of page::text
  bool from_end = false;     ///< its first line, and then as many of its last as there is room for
  std::string note;          ///< what became of the last key
};

/// One line of the screen.
struct screen_line {
  enum class look { plain, head, chosen, bad, dim };
  std::string text;
  look how = look::plain;
};

/// The screen for a pool's snapshot (docs/observe.md): at most `height` lines of `width` columns.
/// Bytes that would move the cursor are replaced. Pure.
std::vector<screen_line> top_screen(const json& pool, const top_view& view, std::size_t width,
                                    std::size_t height);

/// The workers in the order in which they are shown.
std::vector<json> shown_workers(const json& pool, const top_view& view);

/// Columns of the workers' table.
std::size_t top_columns() noexcept;

} // namespace bulkhead::command
