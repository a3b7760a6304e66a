#include "tools/text/file_glob.hpp"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include <fnmatch.h>

namespace bulkhead::config {

namespace fs = std::filesystem;

namespace {

using names = std::vector<std::string>;

/// The one name that the part of a pattern stands for; empty where it has wildcards.
std::string literal_of(const std::string& part) {
  std::string name;
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (part[i] == '*' || part[i] == '?' || part[i] == '[')
      return {};
    if (part[i] == '\\' && i + 1 < part.size())
      ++i;
    name += part[i];
  }
  return name;
}

names split(std::string_view pattern) {
  names parts;
  while (!pattern.empty()) {
    const auto slash = pattern.find('/');
    const auto part = pattern.substr(0, slash);
    // "**/**" is "**": each further one would only find the same again.
    if (!part.empty() && (part != "**" || parts.empty() || parts.back() != "**"))
      parts.emplace_back(part);
    pattern = slash == std::string_view::npos ? std::string_view{} : pattern.substr(slash + 1);
  }
  return parts;
}

class search {
public:
  explicit search(names parts) : parts_(std::move(parts)) {}

  std::vector<std::string> run(const fs::path& from) {
    descend(from, 0);
    std::sort(found_.begin(), found_.end());
    found_.erase(std::unique(found_.begin(), found_.end()), found_.end());
    return std::move(found_);
  }

private:
  bool last(std::size_t part) const { return part + 1 == parts_.size(); }

  void descend(const fs::path& directory, std::size_t part) {
    // With several "**" many ways lead to the same place; it is searched once.
    if (part == parts_.size() || !searched_.emplace(directory.native(), part).second)
      return;
    const auto& name = parts_[part];
    if (name == "**") {
      descend(directory, part + 1);
      each_entry(directory, [&](const fs::directory_entry& entry) {
        if (entry.path().filename().native()[0] != '.' && is_directory(entry))
          descend(entry.path(), part);
        else if (last(part) && entry.path().filename().native()[0] != '.')
          take(entry.path());
      });
    } else if (const auto literal = literal_of(name); !literal.empty()) {
      visit(directory / literal, part);
    } else
      each_entry(directory, [&](const fs::directory_entry& entry) {
        if (::fnmatch(name.c_str(), entry.path().filename().c_str(), FNM_PERIOD) == 0)
          visit(entry.path(), part);
      });
  }

  void visit(const fs::path& path, std::size_t part) {
    if (last(part))
      take(path);
    else
      descend(path, part + 1);
  }

  void take(const fs::path& path) {
    std::error_code error;
    if (fs::symlink_status(path, error).type() == fs::file_type::regular)
      found_.push_back(path.native());
  }

  static bool is_directory(const fs::directory_entry& entry) {
    std::error_code error;
    return entry.symlink_status(error).type() == fs::file_type::directory;
  }

  template <class Visit>
  static void each_entry(const fs::path& directory, Visit visit) {
    std::error_code error;
    for (fs::directory_iterator it{directory.empty() ? fs::path{"."} : directory, error}, end;
         !error && it != end; it.increment(error))
      visit(*it);
  }

  names parts_;
  std::set<std::pair<std::string, std::size_t>> searched_;
  std::vector<std::string> found_;
};

} // namespace

std::vector<std::string> glob_files(std::string_view pattern) {
  return search{split(pattern)}.run(pattern.starts_with('/') ? fs::path{"/"} : fs::path{});
}

std::string glob_root(std::string_view pattern) {
  fs::path root{pattern.starts_with('/') ? "/" : ""};
  for (const auto& name : split(pattern)) {
    const auto literal = literal_of(name);
    if (literal.empty())
      break;
    root /= literal;
  }
  return root.string();
}

std::string glob_escaped(std::string_view path) {
  std::string pattern;
  for (const char c : path) {
    if (std::string_view("*?[\\").find(c) != std::string_view::npos)
      pattern += '\\';
    pattern += c;
  }
  return pattern;
}

} // namespace bulkhead::config
