#include "tools/config/checks.hpp"
#include "tools/config/file_glob.hpp"
#include "tools/config/nearest.hpp"
#include "tools/config/shown.hpp"
#include "tools/config/source.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace bulkhead::config {

namespace fs = std::filesystem;

namespace {

/// Why a search found nothing: the first part of the path that is not there.
std::string why_nothing(const std::string& pattern) {
  std::error_code error;
  const fs::path root = glob_root(pattern);
  fs::path part;
  for (const auto& name : root) {
    part /= name;
    if (!fs::exists(part, error))
      return fmt::format("{} does not exist", part.string());
  }
  if (fs::is_directory(root, error) && ::access(root.c_str(), R_OK | X_OK) != 0)
    return fmt::format("{} cannot be read by this user", root.string());
  if (fs::is_directory(pattern, error))
    return fmt::format("it is a directory: \"{}\" means the files in it",
                       (fs::path(pattern) / "*").string());
  if (fs::is_symlink(fs::symlink_status(pattern, error)))
    return "it is a symbolic link; give the file itself";
  return "check the pattern; * does not match \"/\", ** does, and links are left out";
}

void expand(const document& from, file_input& input, problems& found) {
  const pointer at("/input/glob");
  std::vector<std::string> files;
  for (std::size_t i = 0; i < input.files.size(); ++i) {
    const auto& pattern = input.files[i];
    const auto matched = glob_files(pattern);
    const auto here = from.root.at(at).is_array() ? at / i : at;
    if (matched.empty())
      found.add(
        from.value_place(here),
        fmt::format("{} is {}, which matches no file", path_text(here), shown(from.root.at(here))),
        "a pattern that matches at least one regular file", why_nothing(pattern));
    files.insert(files.end(), matched.begin(), matched.end());
  }
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  input.files = std::move(files);
}

void check_lines(const document& from, const line_input& input, problems& found) {
  const pointer at("/input/lines");
  std::error_code error;
  const auto status = fs::status(input.file, error);
  std::string why;
  std::string remedy = "check the path; it is taken relative to the configuration file";
  if (!fs::exists(status))
    why = "a file that does not exist";
  else if (!fs::is_regular_file(status))
    why = kind_of(status.type());
  else if (::access(input.file.c_str(), R_OK) != 0) {
    why = "a file that this user may not read";
    remedy = "make it readable (chmod u+r)";
  } else if (fs::file_size(input.file, error) == 0) {
    why = "an empty file";
    remedy = "write one input a line";
  }
  if (!why.empty())
    found.add(from.value_place(at),
              fmt::format("{} is {}, {}", path_text(at), shown(from.root.at(at)), why),
              "a readable text file with at least one line", remedy);
}

/// Whether writing the file would change an input: links lead to the same device and inode.
bool is_input(const fs::path& file, const job_input& input) {
  struct stat output {};
  if (::stat(file.c_str(), &output) != 0)
    return false;
  const auto same = [&output](const fs::path& other) {
    struct stat s {};
    return ::stat(other.c_str(), &s) == 0 && s.st_dev == output.st_dev && s.st_ino == output.st_ino;
  };
  if (const auto* lines = std::get_if<line_input>(&input))
    return same(lines->file);
  const auto* files = std::get_if<file_input>(&input);
  return files != nullptr && std::any_of(files->files.begin(), files->files.end(), same);
}

void check_output(const document& from, const job& wanted, problems& found) {
  if (wanted.output.empty() || wanted.output == "-")
    return;
  const pointer at("/output");
  const fs::path file = wanted.output;
  const auto directory = file.has_parent_path() ? file.parent_path() : fs::path{"."};
  std::error_code error;
  std::string why;
  std::string remedy = "choose another file, or \"-\" for standard output";
  if (!fs::is_directory(directory, error)) {
    why = fmt::format("in a directory that does not exist: {}", directory.string());
    remedy = fmt::format("make it: mkdir -p {}", directory.string());
  } else if (fs::is_directory(file, error))
    why = "a directory";
  else if (::access(fs::exists(file, error) ? file.c_str() : directory.c_str(), W_OK) != 0)
    why = fmt::format("which this user may not write: {}", std::strerror(errno));
  else if (fs::equivalent(file, wanted.file, error))
    why = "the configuration itself";
  else if (is_input(file, wanted.input))
    why = "one of the inputs";
  if (!why.empty())
    found.add(from.value_place(at),
              fmt::format("output is {}, {}", shown(from.root.value(at, json{})), why),
              "a file that may be written", remedy);
}

} // namespace

void check_files(const document& from, job& wanted, problems& found) {
  if (auto* files = std::get_if<file_input>(&wanted.input))
    expand(from, *files, found);
  if (const auto* lines = std::get_if<line_input>(&wanted.input))
    check_lines(from, *lines, found);
  check_output(from, wanted, found);
}

} // namespace bulkhead::config
