#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bulkhead::runtime {

/// Cuts a stream of bytes into lines and keeps the last 16 KiB of them. A line longer than
/// max_line_bytes is cut there, with a mark; its rest is skipped. Not thread-safe.
class line_tail {
public:
  static constexpr std::size_t max_line_bytes = 4096;
  static constexpr std::size_t kept_bytes = 16 * 1024;

  /// Calls `on_line` for each line that these bytes complete, without its newline.
  template <class OnLine>
  void feed(std::string_view bytes, OnLine&& on_line) {
    while (!bytes.empty()) {
      const auto end = bytes.find('\n');
      extend(bytes.substr(0, end));
      if (end == std::string_view::npos)
        return;
      finish(on_line);
      bytes.remove_prefix(end + 1);
    }
  }

  /// Completes a last line that has no newline.
  template <class OnLine>
  void finish_partial(OnLine&& on_line) {
    if (!partial_.empty())
      finish(on_line);
  }

  /// The last lines that fit into `max` bytes, a last incomplete one included; raw bytes.
  std::string last(std::size_t max) const;

private:
  template <class OnLine>
  void finish(OnLine& on_line) {
    on_line(std::string_view{partial_});
    keep();
  }
  void extend(std::string_view bytes);
  void keep();

  std::string partial_;
  bool cut_ = false; ///< the partial line is full, its rest is skipped
  std::string kept_; ///< at most twice kept_bytes
};

} // namespace bulkhead::runtime
