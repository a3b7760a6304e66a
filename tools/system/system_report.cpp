#include "tools/system/system_report.hpp"

#include "tools/text/shown.hpp"

#include <fmt/format.h>

namespace bulkhead::systems {

namespace {

std::string count(std::uint64_t number, const char* one, const char* many) {
  return fmt::format("{} {}", number, number == 1 ? one : many);
}

} // namespace

int system_report::exit_status() const noexcept {
  if (signal != 0 && !complete)
    return 128 + signal;
  return failed != 0 || gave_up ? 1 : 0;
}

std::string report_text(const system_report& r) {
  std::string text;
  for (const auto& each : r.failures)
    text += fmt::format("{}:{}: {}\n", config::printable(each.where.source), each.where.line,
                        config::printable(each.what));
  if (r.failed > r.failures.size())
    text += fmt::format("and {} more\n", r.failed - r.failures.size());
  text += fmt::format("{}{}, {}\n", r.name.empty() ? "" : config::printable(r.name) + ": ",
                      count(r.actors, "actor", "actors"),
                      count(r.supervisors, "supervisor", "supervisors"));
  text += fmt::format("requests: {}, {} answered as expected\n", r.asked, r.answered);
  if (r.sent + r.published != 0)
    text += fmt::format("messages: {} sent, {} published\n", r.sent, r.published);
  if (r.kills + r.hangs != 0)
    text += fmt::format("faults: {}, {}\n", count(r.kills, "kill", "kills"),
                        count(r.hangs, "hang", "hangs"));
  text += fmt::format("steps that failed: {}\n", r.failed);
  if (r.gave_up)
    text += "a supervisor gave up\n";
  return text;
}

json report_json(const system_report& r) {
  json failures = json::array();
  for (const auto& each : r.failures)
    failures.push_back({{"source", each.where.source},
                        {"line", each.where.line},
                        {"column", each.where.column},
                        {"what", each.what}});
  return {{"exit_status", r.exit_status()},
          {"name", r.name},
          {"actors", r.actors},
          {"supervisors", r.supervisors},
          {"asked", r.asked},
          {"answered", r.answered},
          {"retried", r.retried},
          {"sent", r.sent},
          {"published", r.published},
          {"other_steps", r.other},
          {"failed", r.failed},
          {"failures", failures},
          {"kills", r.kills},
          {"hangs", r.hangs},
          {"restarts", r.restarts},
          {"gave_up", r.gave_up},
          {"complete", r.complete},
          {"signal", r.signal},
          {"seconds", std::chrono::duration<double>(r.elapsed).count()}};
}

} // namespace bulkhead::systems
