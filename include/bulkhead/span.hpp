#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bulkhead::this_task {

/// A part of the running task with a name, from its construction to its end: a slice within the
/// task's on the time line of observe::trace. Any thread of the task may make some, also one within
/// the other. Costs next to nothing where nobody looks on at the pool, and nothing outside a task.
/// About 100 of a task are kept; of a task whose worker dies, none.
class span {
public:
  /// The name is cut to 64 bytes.
  explicit span(std::string_view name) noexcept;
  span(const span&) = delete;
  span& operator=(const span&) = delete;
  ~span() { end(); }

  /// Ends it before its destructor does.
  void end() noexcept;

private:
  std::array<char, 64> name_; ///< set where somebody looks on
  std::size_t length_ = 0;
  std::uint64_t task_ = 0; ///< 0: nobody looks on, or it has ended
  std::chrono::steady_clock::time_point began_{};
};

} // namespace bulkhead::this_task
