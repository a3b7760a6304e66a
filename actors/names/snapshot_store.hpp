#pragma once

#include "runtime/this_process/callback_thread.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace bulkhead::actors {

/// Snapshots on disk, by the path of the child whose they are. What was written is there when this
/// process has ended, however it ended. One process at a time has a folder. Thread-safe.
class snapshot_store {
public:
  /// Why a snapshot is not on disk; empty: it is. On the store's thread.
  using done_handler = std::function<void(const std::string& why)>;

  /// That of a folder, the same for all who ask in this process. Makes the folder where it is not
  /// there. Throws config_error where it cannot be used, or another process has it.
  static std::shared_ptr<snapshot_store> of(const std::filesystem::path& folder);
  /// Writes what waits.
  ~snapshot_store();
  snapshot_store(const snapshot_store&) = delete;
  snapshot_store& operator=(const snapshot_store&) = delete;

  /// The last one; empty where there is none. Throws config_error where it cannot be read.
  std::optional<std::string> read(const std::string& child);
  /// In place of the one before; does not wait. Of several that come at once the last is written.
  /// Throws std::system_error where no thread is to be had.
  void write(const std::string& child, std::string bytes, done_handler done);

private:
  struct close_database {
    void operator()(sqlite3* database) const noexcept;
  };
  struct end_statement {
    void operator()(sqlite3_stmt* statement) const noexcept;
  };
  using statement = std::unique_ptr<sqlite3_stmt, end_statement>;
  struct waiting {
    std::string bytes;
    std::vector<done_handler> done;
  };

  explicit snapshot_store(const std::filesystem::path& file);
  void execute(const char* sql);
  statement prepare(const char* sql);
  [[noreturn]] void fail(const char* what) const;
  void write_waiting();
  void write_all(const std::map<std::string, waiting>& all);

  const std::string file_;
  std::unique_ptr<sqlite3, close_database> database_; ///< serializes its users itself
  statement insert_;
  std::mutex read_mutex_; ///< guards select_
  statement select_;
  std::mutex mutex_; ///< guards what follows
  std::map<std::string, waiting> waiting_;
  std::map<std::string, waiting> written_now_; ///< what the thread has in hand
  runtime::callback_thread thread_;            ///< last: it ends first
};

} // namespace bulkhead::actors
