#pragma once

#include <bulkhead/observe/watch.hpp>

#include <filesystem>
#include <memory>
#include <string>

namespace bulkhead::observe {

/// Writes a time line of a pool to a file, as it goes: Chrome's trace events as JSON, for Perfetto
/// (ui.perfetto.dev) or chrome://tracing. A track for each worker, a slice for each task (for items
/// of a map that ended together one slice), instants for starts and deaths of workers, counters for
/// tasks that wait and run. Thread-safe.
class trace {
public:
  /// Replaces the file. Throws std::system_error where it cannot be opened, config_error for an
  /// eager pool.
  trace(const pool& of, const std::filesystem::path& file);
  /// As finish().
  ~trace();
  trace(trace&&) noexcept;
  trace& operator=(trace&&) noexcept;

  /// Writes what is left, and the end of the file. Empty, or why the file is not whole.
  std::string finish() noexcept;

private:
  struct writer;
  std::shared_ptr<writer> writer_;
};

} // namespace bulkhead::observe
