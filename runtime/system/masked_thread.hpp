#pragma once

#include <functional>
#include <thread>

namespace bulkhead::runtime {

/// A thread that receives none of the process's signals and is called `name` (its first 15
/// letters). The caller's signal mask is what it was, also where this throws std::system_error
/// because no thread can be made. From any thread.
std::thread masked_thread(const char* name, std::function<void()> run);

} // namespace bulkhead::runtime
