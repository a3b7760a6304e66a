#include "tools/config/load_job.hpp"

#include "tools/config/check_schema.hpp"
#include "tools/config/checks.hpp"
#include "tools/config/read_job.hpp"
#include "tools/config/retry_file.hpp"
#include "tools/text/json_reader.hpp"
#include "tools/text/shown.hpp"
#include "tools/text/source.hpp"
#include "tools/text/utf8.hpp"

#include <fmt/format.h>

namespace bulkhead::config {

namespace {

/// The value of a setting: JSON where it is JSON, else a text, so that no shell quotes are needed.
std::optional<document> read_setting(const std::string& source, std::string_view text,
                                     problems& found) {
  problems own;
  auto value = read_json(source, text, own);
  const bool structured = text.starts_with('{') || text.starts_with('[') || text.starts_with('"');
  if (value || structured) {
    for (const auto& p : own.all())
      found.add(place{source}, p.what, p.expected, p.remedy);
    return value;
  }
  document plain;
  plain.root = std::string(text);
  plain.put_mark(pointer{}, {place{source}, place{source}});
  return plain;
}

void apply(document& job, const std::string& setting, problems& found) {
  const auto source = "--set " + setting;
  const auto equals = setting.find('=');
  if (equals == std::string::npos || equals == 0 || !is_text(setting)) {
    found.add(place{source}, fmt::format("{} is no setting", shown(setting)),
              "a path, =, and a value", "write for example --set pool.workers=4");
    return;
  }
  const auto path = std::string_view(setting).substr(0, equals);
  const auto value = read_setting(source, std::string_view(setting).substr(equals + 1), found);
  if (value && !job.replace(parse_path(path), *value))
    found.add(place{source}, fmt::format("{} leads through a value that is no object", path),
              "names of objects with dots between", "set the whole value around it, as JSON");
}

} // namespace

std::optional<document> read_document(const request& wanted, problems& found) {
  const auto text = read_source(wanted.file, found);
  if (!text)
    return std::nullopt;
  auto job = read_json(wanted.file.string(), *text, found);
  if (job)
    for (const auto& setting : wanted.settings)
      apply(*job, setting, found);
  if (job && !wanted.retry.empty())
    take_failed_inputs(wanted.retry, *job, found);
  return job;
}

std::optional<job> load_job(const request& wanted, problems& found) {
  auto read = read_document(wanted, found);
  if (!read)
    return std::nullopt;
  check_schema(*read, found);
  auto made = read_job(*read, wanted.file.parent_path(), found);
  made.file = wanted.file;
  made.failed = wanted.failed.string();
  made.retry = wanted.retry;
  made.journal = wanted.journal.string();
  made.resume_failed = wanted.resume_failed;
  made.load.insert(made.load.end(), wanted.load.begin(), wanted.load.end());
  check_contradictions(*read, made, found);
  check_capacity(*read, made.pool, found);
  check_sandbox(*read, made.pool.sandbox, found);
  check_files(*read, made, found);
  check_tasks(*read, made, found);
  if (!found.none())
    return std::nullopt;
  return made;
}

} // namespace bulkhead::config
