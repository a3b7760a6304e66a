#include "tools/job/inputs.hpp"

#include "tools/config/json_line.hpp"
#include "tools/text/shown.hpp"
#include "tools/text/units.hpp"

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

template <class... Fs>
struct overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
overloaded(Fs...) -> overloaded<Fs...>;

/// Lines, a last one without its newline included. Those of JSON lines that are blank do not count.
class line_counter {
public:
  explicit line_counter(bool blank_counts) : blank_counts_(blank_counts) {}

  void add(std::string_view block) {
    for (const char c : block) {
      if (c == '\n')
        end_line();
      else {
        open_ = true;
        filled_ = filled_ || (c != ' ' && c != '\t' && c != '\r');
      }
    }
  }

  std::uint64_t lines() const noexcept { return lines_ + (open_ && (filled_ || blank_counts_)); }

private:
  void end_line() {
    lines_ += filled_ || blank_counts_;
    open_ = filled_ = false;
  }

  bool blank_counts_;
  bool open_ = false;
  bool filled_ = false;
  std::uint64_t lines_ = 0;
};

/// Empty where it is no regular file, which can be read only once.
std::optional<std::uint64_t> count_lines(const config::line_input& from) {
  // O_NONBLOCK: opening a FIFO waits for no writer.
  const runtime::unique_fd fd{
    from.file == "-" ? -1
                     : ::open(from.file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  struct stat s {};
  if (!fd || ::fstat(fd.get(), &s) != 0 || !S_ISREG(s.st_mode))
    return std::nullopt;
  std::array<char, 1 << 16> block{};
  line_counter counter{!from.json};
  for (ssize_t got = 0; (got = ::read(fd.get(), block.data(), block.size())) != 0;) {
    if (got > 0)
      counter.add({block.data(), static_cast<std::size_t>(got)});
    else if (errno != EINTR)
      break; // who reads the lines meets it again, and tells
  }
  return counter.lines();
}

std::uint64_t count_of(const config::range_input& range) {
  // In unsigned arithmetic: the distance of two 64-bit numbers may not fit in a signed one.
  const auto distance = [](std::int64_t low, std::int64_t high) {
    return static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  };
  const bool up = range.step > 0;
  const auto span = up ? distance(range.from, range.to) : distance(range.to, range.from);
  const auto step =
    up ? static_cast<std::uint64_t>(range.step) : -static_cast<std::uint64_t>(range.step);
  return span / step + (span % step != 0);
}

} // namespace

inputs::inputs(const config::job& job, int standard_input)
  : from_(job.input), most_bytes_(job.pool.queue_bytes), spread_(job.spread),
    total_(number_of_inputs(job)), ended_(total_ == 0) {
  const auto* lines = std::get_if<config::line_input>(&from_);
  if (lines == nullptr)
    return;
  lines_.emplace(most_bytes_);
  if (lines->file == "-")
    lines_->open(standard_input);
  else
    lines_->open(lines->file.string());
}

std::optional<input> inputs::next() {
  if (ended_)
    return std::nullopt;
  auto made = at(taken_);
  taken_ += made.has_value();
  ended_ = taken_ == total_ || (lines_ && lines_->ended());
  return made;
}

std::optional<input> inputs::at(std::uint64_t index) {
  return std::visit(
    overloaded{[](const config::no_input&) {
                 return std::optional<input>(input{nullptr, {}});
               },
               [&](const config::list_input& l) {
                 return std::optional<input>(input{l.items[index], {}});
               },
               [&](const config::file_input& f) {
                 return std::optional<input>(input{f.files[index], {}});
               },
               [&](const config::line_input& l) { return next_line(l); },
               [&](const config::range_input& r) {
                 // Unsigned: a product beyond 64 bits comes back with the sum.
                 const auto value =
                   static_cast<std::uint64_t>(r.from) + index * static_cast<std::uint64_t>(r.step);
                 return std::optional<input>(input{static_cast<std::int64_t>(value), {}});
               }},
    from_);
}

std::optional<input> inputs::next_line(const config::line_input& from) {
  if (!lines_)
    return std::nullopt;
  auto& lines = *lines_;
  for (;;) {
    auto line = lines.next();
    if (!line)
      return std::nullopt;
    if (!from.json || line->cut || !config::is_blank(line->text))
      return from_line(from, std::move(*line));
  }
}

input inputs::from_line(const config::line_input& from, config::line_stream::line line) const {
  if (line.cut)
    return {line.text,
            fmt::format("line {} is longer than pool.queue_bytes, {}; raise it, or write "
                        "shorter lines",
                        line.number, config::bytes_text(most_bytes_))};
  if (!from.json)
    return {std::move(line.text), {}};
  auto read = config::read_json_line(line.number, line.text);
  if (!read.wrong.empty())
    return {line.text, config::one_line(read.wrong.front(), line.text)};
  auto value = std::move(read.value).value_or(nullptr);
  if (spread_ && !value.is_array()) {
    auto why = fmt::format("line {} is {}, but map.spread is true; expected: a list of arguments",
                           line.number, config::shown(value));
    return {std::move(value), std::move(why)};
  }
  return {std::move(value), {}};
}

std::string inputs::place() const {
  const auto* lines = std::get_if<config::line_input>(&from_);
  if (lines == nullptr || !lines_)
    return {};
  return fmt::format("{}, after line {}",
                     lines->file == "-" ? "standard input"
                                        : config::printable(lines->file.native()),
                     lines_->lines());
}

std::string inputs::error() const {
  return lines_ && !lines_->error().empty() ? place() + ": " + lines_->error() : std::string();
}

std::optional<std::uint64_t> number_of_inputs(const config::job& job) {
  using count = std::optional<std::uint64_t>;
  return std::visit(overloaded{[](const config::no_input&) { return count{1}; },
                               [](const config::list_input& l) { return count{l.items.size()}; },
                               [](const config::file_input& f) { return count{f.files.size()}; },
                               [](const config::line_input& l) { return count_lines(l); },
                               [](const config::range_input& r) { return count{count_of(r)}; }},
                    job.input);
}

} // namespace bulkhead::command
