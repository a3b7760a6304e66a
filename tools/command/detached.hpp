#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace bulkhead::command {

/// A job that runs apart from the terminal that started it, as its folder has it: how it was
/// called, its journal, what it printed, how it ended. A *keeper* process waits for the job's; as
/// long as one of them lives, a lock is held.
class detached_job {
public:
  explicit detached_job(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Makes the folder of a new job with these words behind the command's name. Throws
  /// std::system_error.
  static detached_job make(const std::vector<std::string>& words);
  /// All of this user, the oldest first.
  static std::vector<detached_job> all();
  /// Empty where there is none of that name.
  static std::optional<detached_job> find(const std::string& id);

  /// Starts its processes, anew where they ended. Before threads are started. Throws
  /// std::runtime_error where it does not start or runs already.
  void start() const;

  std::string id() const { return folder_.filename().string(); }
  bool runs() const;
  /// The exit status, once it ended by itself. One that a signal ended has none: it may go on.
  std::optional<int> status() const;
  std::vector<std::string> words() const;
  std::filesystem::path log() const { return folder_ / "log"; }
  std::filesystem::path output() const { return folder_ / "output"; }
  /// Forgets it; only where it does not run.
  void remove() const { std::filesystem::remove_all(folder_); }

private:
  [[noreturn]] void keep(int ready) const;
  int run_here() const;

  std::filesystem::path folder_;
};

} // namespace bulkhead::command
