#include "tools/job/sight.hpp"

#include "tools/text/shown.hpp"

#include <bulkhead/error.hpp>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <random>
#include <system_error>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

constexpr const char* token_variable = "BULKHEAD_WEB_TOKEN";

/// Beyond the loopback a page without a token of the user's own gets one.
observe::web_options page_options(const std::string& address) {
  observe::web_options options{address, {}};
  if (const char* own = std::getenv(token_variable); own != nullptr && *own != '\0')
    options.token = own;
  const bool near = address.starts_with(':') || address.starts_with("127.")
                    || address.starts_with("[::1]") || address.starts_with("localhost");
  if (options.token.empty() && !near)
    options.token = random_token();
  return options;
}

/// So that a job that ran for an hour does not end with a file that cannot be written.
void try_to_write(const char* option, const std::string& file) {
  if (!std::ofstream(file, std::ios::binary | std::ios::trunc))
    throw config_error(fmt::format("{} {}: it cannot be written: {}; give a file in a folder that "
                                   "is there and yours",
                                   option, config::printable(file),
                                   std::generic_category().message(errno)));
}

} // namespace

std::string random_token() {
  std::random_device device;
  std::string token;
  for (int i = 0; i < 32; ++i)
    token += "abcdefghijklmnopqrstuvwxyz234567"[device() % 32];
  return token;
}

sight::sight(const sight_request& wanted, const pool& of) : wanted_(wanted) {
  if (!wanted.report.empty())
    try_to_write("--report", wanted.report);
  if (!wanted.trace.empty())
    try_to_write("--trace", wanted.trace);
  if (!wanted.report.empty() || !wanted.trace.empty() || !wanted.web.empty())
    seen_.emplace(of);
  if (!wanted.trace.empty())
    trace_.emplace(of, wanted.trace);
  if (!wanted.web.empty())
    page_.emplace(of, page_options(wanted.web));
}

std::string sight::finish(const std::string& job, const std::string& task) {
  std::string problems;
  if (auto* const trace = trace_ ? &*trace_ : nullptr) {
    const auto why = trace->finish();
    if (!why.empty())
      problems += fmt::format("{}\n", why);
  }
  if (const auto* const seen = seen_ ? &*seen_ : nullptr;
      seen != nullptr && !wanted_.report.empty()) {
    std::ofstream out(wanted_.report, std::ios::binary | std::ios::trunc);
    out << observe::report_html(seen->now(), {{"job", job}, {"task of the job", task}});
    out.close();
    if (!out)
      problems +=
        fmt::format("the report could not be written to {}: {}\n",
                    config::printable(wanted_.report), std::system_category().message(errno));
  }
  return problems;
}

} // namespace bulkhead::command
