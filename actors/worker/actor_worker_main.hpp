#pragma once

#include "runtime/process/worker_start.hpp"

namespace bulkhead::actors {

/// The life of an actor worker process: worker_settings as start bytes, ring_transport::worker_fds
/// as descriptors.
void actor_worker_main(runtime::worker_start& start);

} // namespace bulkhead::actors
