#include <bulkhead/error.hpp>

#include <utility>

namespace bulkhead {

void throw_failure(failure f) {
  switch (f.kind) {
  case failure_kind::task_exception:
    break;
  case failure_kind::worker_died:
    throw worker_died{std::move(f)};
  case failure_kind::timeout:
    throw timeout_error{std::move(f)};
  case failure_kind::cancelled:
    throw cancelled_error{std::move(f)};
  case failure_kind::pool_closed:
    throw pool_closed{std::move(f)};
  case failure_kind::pool_broken:
    throw pool_broken{std::move(f)};
  case failure_kind::poisoned:
    throw poisoned_error{std::move(f)};
  case failure_kind::rejected:
    throw queue_full{std::move(f)};
  case failure_kind::too_large:
    throw too_large{std::move(f)};
  case failure_kind::codec:
    throw codec_error{std::move(f)};
  case failure_kind::config:
    throw config_error{std::move(f)};
  }
  throw task_error{std::move(f)};
}

} // namespace bulkhead
