#include "tools/text/json_reader.hpp"

#include "tools/text/json_scalars.hpp"
#include "tools/text/json_scanner.hpp"
#include "tools/text/utf8.hpp"

#include <fmt/format.h>

namespace bulkhead::config {

namespace {

class reader {
public:
  reader(const std::string& source, std::string_view text, problems& found)
    : scan_(source, text), found_(found) {}

  std::optional<document> read() {
    try {
      blank();
      if (scan_.at_end())
        syntax(scan_.here(), "there is nothing in it", "a JSON object: { ... }",
               "begin with config/reference.jsonc, which shows every option");
      document_.put_mark(here_, {scan_.here(), scan_.here()});
      document_.root = value();
      blank();
      if (!scan_.at_end())
        syntax(scan_.here(), fmt::format("{} follows after the end of the value", next()),
               "nothing more", "remove it, or check the braces before it");
      return std::move(document_);
    } catch (const syntax_error& e) {
      found_.add(e.what_is_wrong);
      return std::nullopt;
    }
  }

private:
  [[noreturn]] void syntax(place where, std::string what, std::string expected,
                           std::string remedy) {
    throw syntax_error{{std::move(where), std::move(what), std::move(expected), std::move(remedy)}};
  }

  void blank() {
    if (!scan_.skip_blank())
      syntax(scan_.here(), "this comment has no end", "a closing */", "write */ where it ends");
  }

  std::string next() const {
    if (scan_.at_end())
      return "the end of the file";
    const auto rest = scan_.rest();
    return fmt::format("'{}'", rest.substr(0, std::max<std::size_t>(1, utf8_length(rest))));
  }

  json value() {
    if (depth_ > deepest_nesting)
      syntax(scan_.here(), fmt::format("the nesting is deeper than {}", deepest_nesting),
             fmt::format("at most {} lists and objects inside each other", deepest_nesting),
             "write the value flatter");
    switch (scan_.peek()) {
    case '{':
      return object();
    case '[':
      return list();
    case '"':
      return read_text(scan_, found_);
    default:
      return read_word(scan_, path_text(here_), found_);
    }
  }

  json object() {
    json result = json::object();
    const auto open = scan_.here();
    scan_.take();
    ++depth_;
    for (blank(); !scan_.take_if("}"); separator('}', open))
      member(result);
    --depth_;
    return result;
  }

  void member(json& object) {
    const auto where = scan_.here();
    if (scan_.peek() != '"')
      refuse_key(where);
    const auto key = read_text(scan_, found_).get<std::string>();
    blank();
    if (!scan_.take_if(":"))
      syntax(scan_.here(), fmt::format("{} stands after the key \"{}\"", next(), key),
             "a colon and a value", fmt::format("write \"{}\": value", key));
    blank();
    here_.push_back(key);
    const mark m{where, scan_.here()};
    const bool again = object.contains(key);
    if (again)
      found_.add(
        where, fmt::format("{} is written twice", path_text(here_)),
        fmt::format("each key once; the first one is in line {}", document_.key_place(here_).line),
        "remove one of the two");
    else
      document_.put_mark(here_, m);
    auto content = value();
    if (!again)
      object[key] = std::move(content);
    here_.pop_back();
  }

  [[noreturn]] void refuse_key(const place& where) {
    if (scan_.peek() == '}')
      syntax(where, "a comma stands before this brace", "a further key, or no comma",
             "remove the last comma");
    const bool single = scan_.take_if("'");
    const auto word = scan_.take_word();
    if (word.empty())
      syntax(where, fmt::format("{} stands where a key should begin", single ? "'" : next()),
             "a key in double quotes, or }", "write \"key\": value");
    syntax(where, fmt::format("the key {} has no double quotes", word), "keys in double quotes",
           fmt::format("write \"{}\"", word));
  }

  json list() {
    json result = json::array();
    const auto open = scan_.here();
    scan_.take();
    ++depth_;
    for (blank(); !scan_.take_if("]"); separator(']', open)) {
      if (scan_.peek() == ',')
        syntax(scan_.here(), "a value is missing before this comma", "a value",
               "remove the comma, or write the value");
      here_.push_back(std::to_string(result.size()));
      document_.put_mark(here_, {scan_.here(), scan_.here()});
      result.push_back(value());
      here_.pop_back();
    }
    --depth_;
    return result;
  }

  /// After an element: a comma and another element, or what closes.
  void separator(char close, const place& open) {
    blank();
    const auto where = scan_.here();
    if (scan_.take_if(",")) {
      blank();
      if (scan_.peek() == close)
        syntax(where, fmt::format("a comma stands before the closing {}", close),
               "a further value, or no comma", "remove this comma");
    } else if (scan_.at_end())
      syntax(open, fmt::format("this {} is never closed", close == '}' ? '{' : '['),
             fmt::format("a {} before the end of the file", close),
             fmt::format("write {} where it ends", close));
    else if (scan_.peek() != close)
      syntax(where, fmt::format("{} stands after a value", next()),
             fmt::format("a comma or {}", close), "write a comma between two values");
  }

  json_scanner scan_;
  problems& found_;
  document document_;
  pointer here_;
  std::size_t depth_ = 0;
};

} // namespace

std::optional<document> read_json(const std::string& source, std::string_view text,
                                  problems& found) {
  return reader{source, text, found}.read();
}

} // namespace bulkhead::config
