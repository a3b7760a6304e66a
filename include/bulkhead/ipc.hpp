#pragma once

/// Everything that connects tasks and processes with each other while they run: values that may be
/// arguments, results and parts of them.

#include <bulkhead/barrier.hpp>
#include <bulkhead/blob.hpp>
#include <bulkhead/condition.hpp>
#include <bulkhead/descriptor.hpp>
#include <bulkhead/event.hpp>
#include <bulkhead/latch.hpp>
#include <bulkhead/mutex.hpp>
#include <bulkhead/pipe.hpp>
#include <bulkhead/queue.hpp>
#include <bulkhead/semaphore.hpp>
#include <bulkhead/shared_array.hpp>
#include <bulkhead/shared_memory.hpp>
#include <bulkhead/shared_value.hpp>
