#pragma once

/// All of Bulkhead that needs no CAF: pools, tasks, processes. A full CAF include costs a client
/// some seconds; <bulkhead/bulkhead.hpp> adds the actors.

#include <bulkhead/init.hpp>
#include <bulkhead/ipc.hpp>
#include <bulkhead/library.hpp>
#include <bulkhead/parallelism.hpp>
#include <bulkhead/pool.hpp>
#include <bulkhead/process.hpp>
#include <bulkhead/promise.hpp>
#include <bulkhead/task.hpp>
#include <bulkhead/version.hpp>
#include <bulkhead/wait.hpp>
#include <bulkhead/worker.hpp>
#include <bulkhead/zip.hpp>
