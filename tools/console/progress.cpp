#include "tools/console/progress.hpp"

#include "tools/console/write_out.hpp"
#include "tools/text/shown.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace bulkhead::command {

using namespace std::chrono_literals;

namespace {

constexpr auto between_bars = 100ms;
constexpr auto between_lines = 2s;
constexpr std::size_t most_running = 4;

std::size_t terminal_columns() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  return known ? size.ws_col : 80;
}

void write_all(const std::string& text) {
  // Progress that cannot be shown is no error.
  [[maybe_unused]] const auto written = write_some(STDERR_FILENO, text);
}

std::string left_text(const advance& now) {
  if (!now.oldest.empty())
    return "  waits for " + now.oldest;
  const auto own = now.done - now.kept;
  if (now.open || own == 0 || now.cancelled != 0 || now.done >= now.total)
    return {};
  const auto seconds = std::chrono::duration<double>(now.elapsed).count();
  const auto left = seconds / static_cast<double>(own) * static_cast<double>(now.total - now.done);
  return left < 1 ? "  <1 s left" : fmt::format("  {:.0f} s left", left);
}

/// "  running 20% 75%": what tasks say of themselves by this_task::progress.
std::string running_text(const std::vector<double>& running) {
  std::string text;
  for (std::size_t i = 0; i < std::min(running.size(), most_running); ++i)
    text += fmt::format("{} {:.0f}%", i == 0 ? "  running" : "", 100 * running[i]);
  return running.size() > most_running ? text + " ..." : text;
}

std::string how_far_text(const advance& now) {
  if (now.open)
    return fmt::format("{} of {} read", now.done, now.total);
  // Of 0 inputs all are done; 64-bit ranges times 100 do not fit in 64 bits.
  const auto share =
    now.total == 0 ? 1.0 : static_cast<double>(now.done) / static_cast<double>(now.total);
  return fmt::format("{:>3}%  {}/{}", static_cast<int>(100 * share), now.done, now.total);
}

std::string counts_text(const advance& now) {
  const auto seconds = std::max(1e-9, std::chrono::duration<double>(now.elapsed).count());
  return fmt::format("{}{}{}  {:.0f}/s{}{}", how_far_text(now),
                     now.failed == 0 ? "" : fmt::format("  {} failed", now.failed),
                     now.cancelled == 0 ? "" : fmt::format("  {} cancelled", now.cancelled),
                     static_cast<double>(now.done - now.kept) / seconds, running_text(now.running),
                     left_text(now));
}

} // namespace

std::string bar_text(const advance& now, std::size_t columns) {
  const auto counts = counts_text(now);
  const auto wide = config::columns_of(counts);
  if (now.open || columns < wide + 14)
    return config::shortened(counts, columns);
  const auto width = std::min<std::size_t>(40, columns - wide - 4);
  const auto filled = now.total == 0 ? width : std::min(width, width * now.done / now.total);
  std::string bar(filled, '=');
  if (filled < width)
    bar += '>' + std::string(width - filled - 1, ' ');
  return fmt::format("[{}] {}", bar, counts);
}

progress::style progress::fitting() {
  const char* kind = std::getenv("TERM");
  const bool dumb = kind != nullptr && std::string_view(kind) == "dumb";
  return ::isatty(STDERR_FILENO) == 1 && !dumb ? style::bar : style::lines;
}

void progress::show(const advance& now) {
  const auto time = clock::now();
  if (style_ == style::none || time < next_)
    return;
  const bool first = next_ == clock::time_point{};
  next_ =
    time + (style_ == style::bar ? clock::duration(between_bars) : clock::duration(between_lines));
  if (style_ == style::bar || !first)
    draw(now);
}

void progress::draw(const advance& now) {
  if (style_ == style::told)
    return tell_(now);
  if (style_ == style::lines)
    return write_all(fmt::format("{}\n", counts_text(now)));
  // What was drawn is covered with blanks, but not beyond the edge: a terminal that has been made
  // narrower meanwhile would begin a new line each time.
  const auto columns = terminal_columns() - 1;
  const auto text = bar_text(now, columns);
  const auto wide = config::columns_of(text);
  const auto covered = std::min(std::max(drawn_, wide), columns);
  write_all(fmt::format("\r{}{}", text, std::string(covered - std::min(covered, wide), ' ')));
  drawn_ = wide;
}

void progress::clear() {
  if (drawn_ != 0)
    write_all(fmt::format("\r{}\r", std::string(std::min(drawn_, terminal_columns() - 1), ' ')));
  drawn_ = 0;
  next_ = std::min(next_, clock::now());
}

void progress::finish(const advance& now) {
  if (style_ == style::none)
    return;
  draw(now);
  if (style_ == style::bar)
    write_all("\n");
  drawn_ = 0;
}

} // namespace bulkhead::command
