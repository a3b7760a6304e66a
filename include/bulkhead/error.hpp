#pragma once

#include <bulkhead/failure.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace bulkhead {

/// Base of what the library throws. what() is to_string(info()).
class error : public std::runtime_error {
public:
  explicit error(failure f) : std::runtime_error(to_string(f)), info_(std::move(f)) {}
  const failure& info() const noexcept { return info_; }

protected:
  error(failure_kind kind, const std::string& message) : std::runtime_error(message) {
    info_.kind = kind;
    info_.message = message;
  }

private:
  failure info_;
};

namespace detail {

/// One exception class a failure kind; Kind only makes the classes distinct.
template <failure_kind Kind>
class error_of : public error {
public:
  using error::error;
  explicit error_of(const std::string& message) : error(Kind, message) {}
};

} // namespace detail

/// The callable threw; type and text are in info().
class task_error : public detail::error_of<failure_kind::task_exception> {
  using error_of::error_of;
};
/// The worker ended while the task may have been running.
class worker_died : public detail::error_of<failure_kind::worker_died> {
  using error_of::error_of;
};
/// A limit was exceeded, or only the wait ended: then the future is not ready.
class timeout_error : public detail::error_of<failure_kind::timeout> {
  using error_of::error_of;
};
/// Cancelled, or its pool was terminated.
class cancelled_error : public detail::error_of<failure_kind::cancelled> {
  using error_of::error_of;
};
/// The pool takes no more tasks.
class pool_closed : public detail::error_of<failure_kind::pool_closed> {
  using error_of::error_of;
};
/// The pool cannot keep workers alive; info() says why.
class pool_broken : public detail::error_of<failure_kind::pool_broken> {
  using error_of::error_of;
};
/// The task is quarantined.
class poisoned_error : public detail::error_of<failure_kind::poisoned> {
  using error_of::error_of;
};
/// The backlog is full (on_full::reject).
class queue_full : public detail::error_of<failure_kind::rejected> {
  using error_of::error_of;
};
/// An argument or result exceeds a stated capacity.
class too_large : public detail::error_of<failure_kind::too_large> {
  using error_of::error_of;
};
/// Bytes did not encode or decode.
class codec_error : public detail::error_of<failure_kind::codec> {
  using error_of::error_of;
};

/// A configuration, an option or a call is wrong. Nothing was started.
class config_error : public detail::error_of<failure_kind::config> {
  using error_of::error_of;
};

/// Throws the exception class that belongs to `f.kind`.
[[noreturn]] void throw_failure(failure f);

} // namespace bulkhead
