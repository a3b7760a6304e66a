#include "observe/output/words.hpp"

#include <nlohmann/json.hpp>

namespace bulkhead::observe::detail {

std::string_view word_of(event_kind kind) noexcept {
  switch (kind) {
  case event_kind::started:
    return "started";
  case event_kind::ready:
    return "ready";
  case event_kind::died:
    return "died";
  case event_kind::recycled:
    return "recycled";
  case event_kind::quarantined:
    return "quarantined";
  case event_kind::restarting:
    return "restarting";
  case event_kind::broken:
    return "broken";
  }
  return "unknown";
}

std::string_view word_of(task_result result) noexcept {
  switch (result) {
  case task_result::succeeded:
    return "succeeded";
  case task_result::failed:
    return "failed";
  case task_result::cancelled:
    return "cancelled";
  }
  return "unknown";
}

std::string as_utf8(std::string_view bytes) {
  const nlohmann::json quoted = std::string{bytes};
  return nlohmann::json::parse(
           quoted.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
    .get<std::string>();
}

} // namespace bulkhead::observe::detail
