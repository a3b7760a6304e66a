#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

namespace bulkhead::runtime {

/// Registers the calling thread as one of the library's own for the life of this object. A host
/// that wants start_method::fork may have no other threads than these and the calling one.
class own_thread {
public:
  own_thread();
  ~own_thread();
  own_thread(const own_thread&) = delete;
  own_thread& operator=(const own_thread&) = delete;

private:
  pid_t tid_;
};

/// How many threads this process has; 0 where /proc does not tell.
std::size_t thread_count() noexcept;

/// "name (tid)" of each thread that is neither the calling one nor the library's own. Waits up to
/// 20 ms for threads that are just ending.
std::vector<std::string> foreign_threads();

} // namespace bulkhead::runtime
