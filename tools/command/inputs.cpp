#include "tools/command/inputs.hpp"

#include <algorithm>
#include <array>

namespace bulkhead::command {

namespace {

template <class... Fs>
struct overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
overloaded(Fs...) -> overloaded<Fs...>;

/// Lines, a last one without its newline included.
std::uint64_t count_lines(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::array<char, 1 << 16> block{};
  std::uint64_t lines = 0;
  char last = '\n';
  while (in.read(block.data(), block.size()), in.gcount() > 0) {
    const auto end = block.begin() + in.gcount();
    lines += static_cast<std::uint64_t>(std::count(block.begin(), end, '\n'));
    last = *(end - 1);
  }
  return lines + (last != '\n');
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

inputs::inputs(const config::job& job) : from_(job.input) {
  total_ =
    std::visit(overloaded{[](const config::no_input&) { return std::uint64_t{1}; },
                          [](const config::list_input& l) { return std::uint64_t{l.items.size()}; },
                          [](const config::file_input& f) { return std::uint64_t{f.files.size()}; },
                          [](const config::line_input& l) { return count_lines(l.file); },
                          [](const config::range_input& r) { return count_of(r); }},
               from_);
  if (const auto* lines = std::get_if<config::line_input>(&from_))
    lines_.open(lines->file, std::ios::binary);
}

std::optional<json> inputs::next() {
  if (taken_ == total_)
    return std::nullopt;
  auto value = at(taken_);
  taken_ = value ? taken_ + 1 : total_;
  return value;
}

std::optional<json> inputs::at(std::uint64_t index) {
  return std::visit(
    overloaded{[](const config::no_input&) { return std::optional<json>(json(nullptr)); },
               [&](const config::list_input& l) { return std::optional<json>(l.items[index]); },
               [&](const config::file_input& f) { return std::optional<json>(f.files[index]); },
               [&](const config::line_input&) { return next_line(); },
               [&](const config::range_input& r) {
                 // Unsigned: a product beyond 64 bits comes back with the sum.
                 const auto value =
                   static_cast<std::uint64_t>(r.from) + index * static_cast<std::uint64_t>(r.step);
                 return std::optional<json>(static_cast<std::int64_t>(value));
               }},
    from_);
}

std::optional<json> inputs::next_line() {
  std::string line;
  if (!std::getline(lines_, line))
    return std::nullopt; // the file has shrunk since it was counted
  if (line.ends_with('\r'))
    line.pop_back();
  return json(std::move(line));
}

} // namespace bulkhead::command
