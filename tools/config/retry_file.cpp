#include "tools/config/retry_file.hpp"

#include "tools/config/json_line.hpp"
#include "tools/text/shown.hpp"
#include "tools/text/utf8.hpp"

#include <cstdint>
#include <limits>

#include <fmt/format.h>

namespace bulkhead::config {

namespace {

constexpr std::size_t longest_line = std::size_t{256} << 20;

/// Lines write a text that is not UTF-8 as {"base64": ...}; a real object of that form has a text
/// there that is.
json as_given(json input) {
  if (!input.is_object() || input.size() != 1 || !input.contains("base64")
      || !input["base64"].is_string())
    return input;
  const auto bytes = from_base64(input["base64"].get_ref<const std::string&>());
  return bytes && !is_text(*bytes) ? json(*bytes) : input;
}

class failed_lines {
public:
  failed_lines(const std::filesystem::path& file, problems& found) : file_(file), found_(found) {
    list_.root = {{"list", json::array()}};
    mark_as(pointer{}, 1);
    mark_as(pointer("/list"), 1);
  }

  void add(std::uint64_t number, const std::string& text, json_line line) {
    for (auto p : line.wrong) {
      p.where.source = file_.string();
      p.what += "; the line is: " + shortened(printable(text), 60);
      found_.add(std::move(p));
    }
    if (!line.value)
      return;
    auto& value = *line.value;
    if (!value.is_object() || !value.contains("input"))
      return found_.add(place{file_.string(), number, 1},
                        fmt::format("the line is {}, which has no \"input\"", shown(value)),
                        "an object with \"input\" and \"failure\" or \"result\"",
                        "give a file that bulkhead run --failed has written");
    if (!value.contains("failure"))
      return; // it succeeded
    auto& inputs = list_.root["list"];
    mark_as(pointer("/list") / inputs.size(), number);
    inputs.push_back(as_given(std::move(value["input"])));
  }

  const document& list() const noexcept { return list_; }

private:
  void mark_as(const pointer& at, std::uint64_t number) {
    const place here{file_.string(), number, 1};
    list_.put_mark(at, {here, here});
  }

  std::filesystem::path file_;
  problems& found_;
  document list_;
};

document yes(const std::filesystem::path& file) {
  document made;
  made.root = true;
  made.put_mark(pointer{}, {place{file.string()}, place{file.string()}});
  return made;
}

} // namespace

void take_failed_inputs(const std::filesystem::path& file, document& job, problems& found) {
  failed_lines lines{file, found};
  const bool read =
    visit_json_lines(file, std::numeric_limits<std::size_t>::max(), longest_line,
                     [&](std::uint64_t number, const std::string& text, json_line line) {
                       lines.add(number, text, std::move(line));
                     });
  if (!read)
    return found.add(place{"--retry"},
                     fmt::format("{} is no file that can be read", shown(file.string())),
                     "a file that bulkhead run --failed has written", "check the path");
  job.replace(pointer("/input"), lines.list());
  if (job.root.contains("output") && !job.root.contains("append"))
    job.replace(pointer("/append"), yes(file));
}

} // namespace bulkhead::config
