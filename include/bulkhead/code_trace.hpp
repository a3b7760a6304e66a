#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bulkhead {

/// Where code stood, as addresses: their names are looked up when they are asked for. Copies share
/// them. Thread-safe.
class code_trace {
public:
  struct frame {
    std::uint64_t address = 0; ///< in the process that was there
    std::uint64_t module = 0;  ///< identity of the program or library; 0: unknown
    std::uint64_t offset = 0;  ///< in that file
  };

  code_trace() noexcept = default;
  /// Innermost first. Throws std::bad_alloc.
  explicit code_trace(std::vector<frame> frames);

  bool empty() const noexcept { return frames_ == nullptr; }
  std::span<const frame> frames() const noexcept;

  /// One frame a line, innermost first, as in failure::backtrace; empty where nothing is known. The
  /// first look at a place takes milliseconds, a later one finds it in a cache.
  std::string text() const;

private:
  std::shared_ptr<const std::vector<frame>> frames_; ///< null: none
};

} // namespace bulkhead
