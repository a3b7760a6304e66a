#include "tools/console/job_log.hpp"

#include "tools/console/write_out.hpp"

#include <chrono>
#include <cstdlib>
#include <utility>

#include <unistd.h>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace bulkhead::command {

namespace {

constexpr const char* names[] = {"debug", "info", "warning", "error"};

spdlog::level::level_enum level_of(log_options::level l) noexcept {
  constexpr spdlog::level::level_enum levels[] = {spdlog::level::debug, spdlog::level::info,
                                                  spdlog::level::warn, spdlog::level::err};
  return levels[static_cast<std::size_t>(l)];
}

/// As no-color.org says.
spdlog::color_mode colors() noexcept {
  const char* none = std::getenv("NO_COLOR");
  return none != nullptr && *none != '\0' ? spdlog::color_mode::never
                                          : spdlog::color_mode::automatic;
}

/// "2026-11-29T22:10:03.123Z"
std::string now_text() {
  const auto now = std::chrono::system_clock::now();
  const auto ms =
    std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms);
}

} // namespace

job_log::job_log(log_options how, std::string job) : how_(how), job_(std::move(job)) {
  spdlog::drop("bulkhead");
  auto logger = spdlog::stderr_color_st("bulkhead", colors());
  logger->set_pattern(how_.as_json ? "%v" : "%^%l:%$ %v");
  logger->set_level(level_of(how_.least));
  spdlog::set_default_logger(std::move(logger));
}

void job_log::tell(level what, const std::string& text, json more) const {
  if (!tells(what) || !has_room(STDERR_FILENO))
    return;
  if (!how_.as_json) {
    spdlog::log(level_of(what), "{}", text);
    return;
  }
  more["time"] = now_text();
  more["level"] = names[static_cast<std::size_t>(what)];
  more["job"] = job_;
  more["message"] = text;
  spdlog::log(level_of(what), "{}", more.dump(-1, ' ', false, json::error_handler_t::replace));
}

} // namespace bulkhead::command
