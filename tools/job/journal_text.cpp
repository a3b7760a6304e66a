#include "tools/job/journal_text.hpp"

#include "tools/config/task_call.hpp"
#include "tools/text/shown.hpp"

#include <bulkhead/detail/function_ref.hpp>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

struct input_identity {
  json operator()(const config::no_input&) const { return nullptr; }
  json operator()(const config::list_input& l) const { return {{"list", l.items.size()}}; }
  json operator()(const config::file_input& f) const { return {{"files", f.files.size()}}; }
  json operator()(const config::line_input& l) const {
    return {{l.json ? "json_lines" : "lines", config::text_json(l.file.string())}};
  }
  json operator()(const config::range_input& r) const {
    return {{"range", {r.from, r.to, r.step}}};
  }
};

constexpr int more_than_all = 64; ///< enumerators

/// The enumerator with this name; the first one where there is none.
template <class Enum>
Enum named(const std::string& name) {
  for (int i = 0; i < more_than_all; ++i)
    if (to_string(static_cast<Enum>(i)) == name)
      return static_cast<Enum>(i);
  return Enum{};
}

} // namespace

json identity_of(const config::job& job, const detail::task_entry& task) {
  return {{"task", job.task},
          {"types", config::signature_text(task)},
          {"code", fmt::format("{:016x}", detail::to_ref(task.function).module)},
          {"args", job.args},
          {"spread", job.spread},
          {"input", std::visit(input_identity{}, job.input)}};
}

std::string difference(const std::string& member, const json& in_journal, const json& in_job) {
  if (member == "code")
    return "its task was built anew meanwhile; go on with the library that began the job, or "
           "remove "
           "the journal and begin anew";
  return fmt::format("its {} is {}, this job's {}; give the job that began it, or another journal",
                     member, config::shown(in_journal), config::shown(in_job));
}

std::string failure_text(const failure& f) {
  const json all{{"kind", to_string(f.kind)},
                 {"message", f.message},
                 {"type", f.type},
                 {"worker", f.worker},
                 {"code", f.exit.code},
                 {"signal", f.exit.signal},
                 {"cause", to_string(f.exit.cause)},
                 {"may_have_executed", f.may_have_executed},
                 {"backtrace", f.backtrace},
                 {"last_output", f.last_output}};
  return all.dump(-1, ' ', false, json::error_handler_t::replace);
}

failure failure_from(const std::string& text) try {
  const auto all = json::parse(text);
  failure f;
  f.kind = named<failure_kind>(all.at("kind"));
  f.message = all.at("message");
  f.type = all.at("type");
  f.worker = all.at("worker");
  f.exit = {all.at("code"), all.at("signal"), named<exit_cause>(all.at("cause"))};
  f.may_have_executed = all.at("may_have_executed");
  f.backtrace = all.at("backtrace");
  f.last_output = all.at("last_output");
  return f;
} catch (const json::exception&) {
  failure f;
  f.message = "the journal holds a failure that cannot be read: " + text;
  f.may_have_executed = true;
  return f;
}

} // namespace bulkhead::command
