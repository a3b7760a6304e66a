#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace bulkhead::command {

/// How far a job is.
struct advance {
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::uint64_t failed = 0;
  std::chrono::nanoseconds elapsed{};
  std::uint64_t cancelled = 0; ///< not in `done`
  std::string oldest;          ///< what is waited for for long, and since when; empty: nothing
  bool open = false;           ///< `total` is what was read by now, and more may come
  std::vector<double> running; ///< how far running tasks say they are, 0 to 1
  std::uint64_t kept = 0;      ///< of `done`: by earlier runs
};

/// Shows on standard error how far a job is: a bar that is drawn anew on a terminal, else a plain
/// line every few seconds. Draws at most as often as it makes sense, however often it is told.
class progress {
public:
  using clock = std::chrono::steady_clock;

  enum class style { none, lines, bar, told };
  using teller = std::function<void(const advance& now)>;
  /// `tell`: who is told in place of a line, with style::told.
  explicit progress(style how, teller tell = {}) : style_(how), tell_(std::move(tell)) {}

  /// A bar on a terminal that can go back in its line, lines elsewhere.
  static style fitting();

  void show(const advance& now);
  /// Removes the bar, so that something else can be written; the next show() draws it again.
  void clear();
  /// The last state, whatever the time; ends the line.
  void finish(const advance& now);

private:
  void draw(const advance& now);

  style style_;
  teller tell_;
  clock::time_point next_{};
  std::size_t drawn_ = 0; ///< columns on the terminal now
};

/// "[=====>    ]  52%  5210/10000  1 failed  2612/s  2 s left", in at most `columns` columns.
/// Without bar and share while the number of inputs is not known: "5210 of 5215 read  2612/s".
std::string bar_text(const advance& now, std::size_t columns);

} // namespace bulkhead::command
