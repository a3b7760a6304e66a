#pragma once

#include "tools/text/problem.hpp"

#include <map>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace bulkhead::config {

using json = nlohmann::json;
using pointer = json::json_pointer;

/// Where a member stands: its key (the value itself in lists) and its value.
struct mark {
  place key;
  place value;
};

/// A JSON value that knows where each part of it was written.
class document {
public:
  json root;

  /// Remembers where a value stands.
  void put_mark(const pointer& at, mark m) { marks_[at.to_string()] = std::move(m); }

  /// Where the value stands; the nearest value around it where it does not exist.
  place value_place(pointer at) const;
  /// Where its key stands.
  place key_place(pointer at) const;

  /// Puts a value that was written elsewhere, with its marks, in place of what is there. Objects
  /// on the way are made. False where the way leads through something that is no object.
  bool replace(const pointer& at, const document& by);

private:
  const mark* nearest_mark(pointer& at) const;

  std::map<std::string, mark, std::less<>> marks_;
};

/// A path for people: "pool.restart.within", "input.list[3]"; "the configuration" for the root.
std::string path_text(const pointer& at);

/// The reverse, as --set takes it: names with dots between. Throws nothing; "" is the root.
pointer parse_path(std::string_view path);

} // namespace bulkhead::config
