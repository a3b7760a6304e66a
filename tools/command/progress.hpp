#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace bulkhead::command {

/// How far a job is.
struct advance {
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::uint64_t failed = 0;
  std::chrono::nanoseconds elapsed{};
  std::uint64_t cancelled = 0; ///< not in `done`
  std::string oldest;          ///< an input that takes long, and since when; empty: none
};

/// Shows on standard error how far a job is: a bar that is drawn anew on a terminal, else a plain
/// line every few seconds. Draws at most as often as it makes sense, however often it is told.
class progress {
public:
  using clock = std::chrono::steady_clock;

  enum class style { none, lines, bar };
  explicit progress(style how) : style_(how) {}

  /// A bar on a terminal, lines elsewhere.
  static style fitting();

  void show(const advance& now);
  /// Removes the bar, so that something else can be written; the next show() draws it again.
  void clear();
  /// The last state, whatever the time; ends the line.
  void finish(const advance& now);

private:
  void draw(const advance& now);

  style style_;
  clock::time_point next_{};
  std::size_t drawn_ = 0; ///< columns on the terminal now
};

/// "[=====>    ]  52%  5210/10000  1 failed  2612/s  2 s left", in at most `columns` columns.
std::string bar_text(const advance& now, std::size_t columns);

} // namespace bulkhead::command
