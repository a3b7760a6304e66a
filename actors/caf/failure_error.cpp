#include "actors/caf/failure_error.hpp"

#include "actors/caf/own_error.hpp"

#include <caf/message.hpp>

namespace bulkhead::actors {

namespace {

/// Only types that CAF knows, so that no system needs a registration to pass the error on.
caf::message context_of(const failure& f) {
  return caf::make_message(
    f.message, f.type, static_cast<std::int32_t>(f.worker), static_cast<std::int32_t>(f.exit.code),
    static_cast<std::int32_t>(f.exit.signal), static_cast<std::uint8_t>(f.exit.cause),
    f.may_have_executed, f.backtrace, f.last_output);
}

template <class Enum>
bool in_range(std::uint8_t value, Enum last) {
  return value <= static_cast<std::uint8_t>(last);
}

} // namespace

// CAF reserves the code 0 for "no error".
caf::error to_error(const failure& f) {
  return own_error(static_cast<std::uint8_t>(static_cast<int>(f.kind) + 1), context_of(f));
}

std::optional<failure> failure_of(const caf::error& reason) {
  std::uint8_t code = 0;
  const auto* context = own_error_context(reason, code);
  // An error may come from a worker: kind and cause are only taken where they name something.
  if (context == nullptr || code == 0
      || !in_range(static_cast<std::uint8_t>(code - 1), failure_kind::config)
      || !context->match_elements<std::string, std::string, std::int32_t, std::int32_t,
                                  std::int32_t, std::uint8_t, bool, std::string, std::string>()
      || !in_range(context->get_as<std::uint8_t>(5), exit_cause::node_lost))
    return std::nullopt;
  failure f;
  f.kind = static_cast<failure_kind>(code - 1);
  f.message = context->get_as<std::string>(0);
  f.type = context->get_as<std::string>(1);
  f.worker = context->get_as<std::int32_t>(2);
  f.exit.code = context->get_as<std::int32_t>(3);
  f.exit.signal = context->get_as<std::int32_t>(4);
  f.exit.cause = static_cast<exit_cause>(context->get_as<std::uint8_t>(5));
  f.may_have_executed = context->get_as<bool>(6);
  f.backtrace = context->get_as<std::string>(7);
  f.last_output = context->get_as<std::string>(8);
  return f;
}

failure death_of(pid_t worker, const exit_status& status, bool may_have_executed) {
  failure f;
  f.kind = failure_kind::worker_died;
  f.worker = worker;
  f.exit = status;
  f.may_have_executed = may_have_executed;
  f.message = "actor worker " + std::to_string(worker) + " ended: " + to_string(status);
  return f;
}

} // namespace bulkhead::actors
