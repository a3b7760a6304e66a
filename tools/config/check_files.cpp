#include "tools/config/checks.hpp"
#include "tools/config/json_line.hpp"
#include "tools/text/file_glob.hpp"
#include "tools/text/nearest.hpp"
#include "tools/text/shown.hpp"
#include "tools/text/source.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
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

/// What makes a file or a stream no source of lines, and what to do.
struct objection {
  std::string why;
  std::string remedy = "check the path; it is taken relative to the configuration file";
};

objection to_standard_input() {
  const int flags = ::fcntl(STDIN_FILENO, F_GETFL);
  struct stat s {};
  if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY)
    return {"but standard input is closed, or open for writing only",
            "begin with a pipe: producer | bulkhead run job.json"};
  if (::fstat(STDIN_FILENO, &s) == 0 && S_ISDIR(s.st_mode))
    return {"but standard input is a directory", "begin with a pipe, or with < FILE"};
  return {};
}

objection to_lines(const fs::path& file) {
  if (file == "-")
    return to_standard_input();
  std::error_code error;
  const auto status = fs::status(file, error);
  if (!fs::exists(status))
    return {"a file that does not exist"};
  // A FIFO is not opened here: what comes out of it comes once.
  if (!fs::is_regular_file(status) && !fs::is_fifo(status))
    return {kind_of(status.type())};
  if (::access(file.c_str(), R_OK) != 0)
    return {"a file that this user may not read", "make it readable (chmod u+r)"};
  if (fs::is_regular_file(status) && fs::file_size(file, error) == 0)
    return {"an empty file", "write one input a line"};
  return {};
}

void check_json(const document& from, const pointer& at, const job& wanted, const line_input& input,
                problems& found) {
  std::uint64_t values = 0;
  const auto visit = [&](std::uint64_t number, const std::string& text, const json_line& line) {
    ++values;
    for (auto p : line.wrong) {
      p.where.source = input.file.string();
      p.what += "; the line is: " + shortened(printable(text), 60);
      found.add(std::move(p));
    }
    if (wanted.spread && line.value && !line.value->is_array())
      found.add(place{input.file.string(), number, 1},
                fmt::format("the input is {}, but map.spread is true", shown(*line.value)),
                "a list of arguments", fmt::format("write [{}]", shown(*line.value)));
  };
  const bool read = visit_json_lines(input.file, checked_inputs, wanted.pool.queue_bytes, visit);
  if (read && values == 0)
    found.add(
      from.value_place(at),
      fmt::format("{} is {}, a file of blank lines", path_text(at), shown(from.root.at(at))),
      "a file with at least one JSON value", "write one JSON value a line");
}

void check_lines(const document& from, const job& wanted, const line_input& input,
                 problems& found) {
  const auto at = pointer("/input") / (input.json ? "json_lines" : "lines");
  const auto objection = to_lines(input.file);
  if (objection.why.empty())
    return input.json ? check_json(from, at, wanted, input, found) : void();
  found.add(from.value_place(at),
            fmt::format("{} is {}, {}", path_text(at), shown(from.root.at(at)), objection.why),
            "a readable text file with at least one line, a FIFO, or \"-\" for standard input",
            objection.remedy);
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

/// What makes a file no place for lines; nothing where it is one.
objection to_output(const std::string& path, const job& wanted) {
  const fs::path file = path;
  const auto directory = file.has_parent_path() ? file.parent_path() : fs::path{"."};
  const std::string other = "choose another file";
  std::error_code error;
  if (!fs::is_directory(directory, error))
    return {fmt::format("in a directory that does not exist: {}", directory.string()),
            fmt::format("make it: mkdir -p {}", directory.string())};
  if (fs::is_directory(file, error))
    return {"a directory", other};
  if (::access(fs::exists(file, error) ? file.c_str() : directory.c_str(), W_OK) != 0)
    return {fmt::format("which this user may not write: {}", std::strerror(errno)), other};
  if (fs::equivalent(file, wanted.file, error))
    return {"the configuration itself", other};
  if (is_input(file, wanted.input))
    return {"one of the inputs", other};
  return {};
}

void check_output(const document& from, const job& wanted, problems& found) {
  if (wanted.output.empty() || wanted.output == "-")
    return;
  const pointer at("/output");
  const auto objection = to_output(wanted.output, wanted);
  if (!objection.why.empty())
    found.add(from.value_place(at),
              fmt::format("output is {}, {}", shown(from.root.value(at, json{})), objection.why),
              "a file that may be written", objection.remedy);
}

/// What makes it no place for failed inputs: it is emptied when the job begins.
objection to_failed(const job& wanted) {
  const std::string other = "choose another file";
  std::error_code error;
  if (wanted.failed == "-")
    return {"standard output", other};
  if (auto found = to_output(wanted.failed, wanted); !found.why.empty())
    return found;
  if (fs::equivalent(wanted.failed, wanted.retry, error))
    return {"the file of --retry, which would be lost if the job were killed", other};
  if (wanted.failed == wanted.output || fs::equivalent(wanted.failed, wanted.output, error))
    return {"the output", other};
  return {};
}

void check_failed(const job& wanted, problems& found) {
  if (wanted.failed.empty())
    return;
  const auto objection = to_failed(wanted);
  if (!objection.why.empty())
    found.add(place{"--failed"},
              fmt::format("the file is {}, {}", shown(wanted.failed), objection.why),
              "a file of its own that may be written", objection.remedy);
}

/// What makes it no place for the outcomes of the job.
objection to_journal(const job& wanted) {
  const std::string other = "choose another file";
  std::error_code error;
  if (wanted.journal == "-")
    return {"standard output", other};
  if (auto found = to_output(wanted.journal, wanted); !found.why.empty())
    return found;
  const auto status = fs::status(wanted.journal, error);
  if (fs::exists(status) && !fs::is_regular_file(status))
    return {kind_of(status.type()), other};
  for (const auto& taken : {wanted.output, wanted.failed})
    if (!taken.empty() && (wanted.journal == taken || fs::equivalent(wanted.journal, taken, error)))
      return {"a file that the job writes to already", other};
  return {};
}

void check_journal(const document& from, const job& wanted, problems& found) {
  if (wanted.journal.empty())
    return;
  if (const auto objection = to_journal(wanted); !objection.why.empty())
    found.add(place{"--journal"},
              fmt::format("the file is {}, {}", shown(wanted.journal), objection.why),
              "a file of its own that may be written", objection.remedy);
  if (wanted.append)
    found.add(from.value_place(pointer("/append")), "append is true, and --journal is given",
              "an output that is written anew: a job that goes on writes all its results",
              "remove \"append\", or run without --journal");
}

} // namespace

void check_files(const document& from, job& wanted, problems& found) {
  if (auto* files = std::get_if<file_input>(&wanted.input))
    expand(from, *files, found);
  if (const auto* lines = std::get_if<line_input>(&wanted.input))
    check_lines(from, wanted, *lines, found);
  check_output(from, wanted, found);
  check_failed(wanted, found);
  check_journal(from, wanted, found);
}

} // namespace bulkhead::config
