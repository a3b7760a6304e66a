#include "tools/command/progress.hpp"

#include "tools/command/write_out.hpp"

#include <algorithm>

#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace bulkhead::command {

using namespace std::chrono_literals;

namespace {

constexpr auto between_bars = 100ms;
constexpr auto between_lines = 2s;

std::size_t terminal_columns() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20;
  return known ? size.ws_col : 80;
}

void write_all(const std::string& text) {
  // Progress that cannot be shown is no error.
  [[maybe_unused]] const auto written = write_some(STDERR_FILENO, text);
}

std::string left_text(const advance& now) {
  if (!now.oldest.empty())
    return "  waits for " + now.oldest;
  if (now.done == 0 || now.cancelled != 0 || now.done >= now.total)
    return {};
  const auto seconds = std::chrono::duration<double>(now.elapsed).count();
  const auto left =
    seconds / static_cast<double>(now.done) * static_cast<double>(now.total - now.done);
  return left < 1 ? "  <1 s left" : fmt::format("  {:.0f} s left", left);
}

std::string counts_text(const advance& now) {
  const auto seconds = std::max(1e-9, std::chrono::duration<double>(now.elapsed).count());
  const auto percent = now.total == 0 ? 100 : now.done * 100 / now.total;
  return fmt::format("{:>3}%  {}/{}{}{}  {:.0f}/s{}", percent, now.done, now.total,
                     now.failed == 0 ? "" : fmt::format("  {} failed", now.failed),
                     now.cancelled == 0 ? "" : fmt::format("  {} cancelled", now.cancelled),
                     static_cast<double>(now.done) / seconds, left_text(now));
}

} // namespace

std::string bar_text(const advance& now, std::size_t columns) {
  const auto counts = counts_text(now);
  if (columns < counts.size() + 14)
    return counts.substr(0, columns);
  const auto width = std::min<std::size_t>(40, columns - counts.size() - 4);
  const auto filled = now.total == 0 ? width : std::min(width, width * now.done / now.total);
  std::string bar(filled, '=');
  if (filled < width)
    bar += '>' + std::string(width - filled - 1, ' ');
  return fmt::format("[{}] {}", bar, counts);
}

progress::style progress::fitting() {
  return ::isatty(STDERR_FILENO) == 1 ? style::bar : style::lines;
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
  if (style_ == style::lines)
    return write_all(fmt::format("{}\n", counts_text(now)));
  const auto text = bar_text(now, terminal_columns() - 1);
  const auto blank = drawn_ > text.size() ? drawn_ - text.size() : 0;
  write_all(fmt::format("\r{}{}", text, std::string(blank, ' ')));
  drawn_ = text.size() + blank;
}

void progress::clear() {
  if (drawn_ != 0)
    write_all(fmt::format("\r{}\r", std::string(drawn_, ' ')));
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
