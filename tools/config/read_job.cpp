#include "tools/config/read_job.hpp"

#include "tools/config/members.hpp"
#include "tools/text/file_glob.hpp"

#include <cstdlib>
#include <utility>

namespace bulkhead::config {

namespace fs = std::filesystem;

namespace {

std::string file_or_stream(const fs::path& base, const std::string& path) {
  return path == "-" ? path : path_from(base, path);
}

std::vector<std::string> texts_of(const json& one_or_list) {
  if (one_or_list.is_string())
    return {one_or_list.get<std::string>()};
  return one_or_list.get<std::vector<std::string>>();
}

/// A bare name that is not beside the configuration is looked for where the libraries that belong
/// to this command are: in its build tree or in its installation.
fs::path library_path(const fs::path& base, const std::string& name) {
  auto beside = fs::path(path_from(base, name));
  std::error_code error;
  if (name.find('/') != std::string::npos || fs::exists(beside, error))
    return beside;
  const auto prefix = fs::read_symlink("/proc/self/exe", error).parent_path().parent_path();
  for (const auto* folder : {"lib", "lib/bulkhead", BULKHEAD_LIBRARY_FOLDER})
    if (fs::exists(prefix / folder / name, error))
      return prefix / folder / name;
  return beside;
}

/// Globs stay patterns here: file_input holds them until expand_input() looks at the disk.
job_input read_input(const document& from, const fs::path& base, problems& found) {
  const members input{from, pointer{} / "input", found};
  if (const auto* list = input.find("list"))
    return list_input{list->get<std::vector<json>>()};
  if (const auto* glob = input.find("glob")) {
    file_input files;
    // The directory of the configuration is a name, whatever characters it has.
    for (const auto& pattern : texts_of(*glob))
      files.files.push_back(path_from(glob_escaped(base.native()), pattern));
    return files;
  }
  if (const auto* lines = input.find("lines"))
    return line_input{file_or_stream(base, lines->get<std::string>()), false};
  if (const auto* lines = input.find("json_lines"))
    return line_input{file_or_stream(base, lines->get<std::string>()), true};
  if (input.find("range") != nullptr) {
    const members range{from, pointer{} / "input" / "range", found};
    range_input numbers;
    range.read("from", numbers.from);
    range.read("to", numbers.to);
    range.read("step", numbers.step);
    return numbers;
  }
  return no_input{};
}

void read_map(const members& from, job& to) {
  from.read("chunk", to.chunk);
  from.read("ordered", to.ordered);
  from.read("buffersize", to.buffersize);
  from.read("spread", to.spread);
}

void read_task_options(const members& from, task_options& to) {
  from.read_time("timeout", to.timeout);
  from.read_time("soft_timeout", to.soft_timeout);
  from.read_time("deadline", to.deadline);
  from.read("retries", to.retries);
  from.read("priority", to.priority);
  from.read("key", to.key);
  from.read_time("hedge_after", to.hedge_after);
}

std::optional<reduction> read_reduce(const members& from) {
  if (from.find("task") == nullptr)
    return std::nullopt;
  reduction to;
  from.read("task", to.task);
  from.read("batch", to.batch);
  if (const auto* finish = from.find("finish"); finish != nullptr && !finish->is_null())
    to.finish = finish->get<std::string>();
  return to;
}

std::optional<rabbitmq> read_engine(const members& from, const fs::path& base) {
  rabbitmq to;
  from.read("url", to.url);
  from.read("queue", to.queue);
  if (to.url.empty() && to.queue.empty())
    return std::nullopt;
  if (to.url.empty())
    to.url = engine_url();
  from.read_time("lease", to.lease);
  from.read_time("nodes_within", to.nodes_within);
  from.read("batch_tasks", to.batch_tasks);
  from.read_bytes("batch_bytes", to.batch_bytes);
  for (const auto& [key, file] :
       {std::pair{"ca_file", &to.ca_file}, std::pair{"certificate_file", &to.certificate_file},
        std::pair{"key_file", &to.key_file}}) {
    from.read(key, *file);
    if (!file->empty())
      *file = path_from(base, *file);
  }
  return to;
}

} // namespace

// "./-" is a file.
std::string path_from(const fs::path& base, const std::string& path) {
  auto from = (base / path).lexically_normal().string();
  return from == "-" ? "./-" : from;
}

job read_job(const document& from, const fs::path& base, problems& found) {
  const members top{from, pointer{}, found};
  job to;
  top.read("name", to.name);
  top.read("task", to.task);
  top.read("args", to.args);
  top.read("output", to.output);
  top.read("append", to.append);
  if (!to.output.empty())
    to.output = file_or_stream(base, to.output);
  if (const auto* load = top.find("load"))
    for (const auto& library : texts_of(*load))
      to.load.push_back(library_path(base, library));
  to.pool = read_pool(from, base, found);
  to.engine = read_engine({from, pointer{} / "engine", found}, base);
  to.input = read_input(from, base, found);
  read_map({from, pointer{} / "map", found}, to);
  read_task_options({from, pointer{} / "task_options", found}, to.task_options);
  to.reduce = read_reduce({from, pointer{} / "reduce", found});
  return to;
}

std::string engine_url() {
  const char* set = std::getenv("BULKHEAD_ENGINE_URL"); // NOLINT(concurrency-mt-unsafe): at start
  return set != nullptr ? set : "";
}

std::string key_for(const std::string& key, const json& input) {
  const auto at = key.find("{}");
  if (at == std::string::npos)
    return key;
  const auto text = input.is_string() ? input.get<std::string>() : input.dump();
  return key.substr(0, at) + text + key.substr(at + 2);
}

} // namespace bulkhead::config
