#pragma once

/// All of Bulkhead that needs no CAF. Actors are in <bulkhead/actor.hpp>.

#include <bulkhead/init.hpp>
#include <bulkhead/library.hpp>
#include <bulkhead/parallelism.hpp>
#include <bulkhead/pool.hpp>
#include <bulkhead/process.hpp>
#include <bulkhead/task.hpp>
#include <bulkhead/version.hpp>
#include <bulkhead/wait.hpp>
#include <bulkhead/worker.hpp>
