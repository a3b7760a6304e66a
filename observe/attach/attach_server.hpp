#pragma once

#include "observe/model/watched.hpp"
#include "runtime/system/unique_fd.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace bulkhead::observe::detail {

/// Answers programs of the same user about the pools of this process: one request a connection, a
/// line each way (docs/observe.md). One for the process; its thread and its socket exist while
/// there is a pool to tell of.
class attach_server {
public:
  static attach_server& instance();

  /// `until_it_ends`: the server lets go of the pool by itself; else remove() does. Throws
  /// std::system_error.
  void add(std::shared_ptr<watched> pool, bool until_it_ends);
  void remove(const watched& pool) noexcept;

private:
  struct entry {
    std::shared_ptr<watched> pool;
    bool until_it_ends;
  };

  attach_server() = default;
  void start();
  void stop() noexcept;
  void run(int socket, int bell);
  void serve(int client);
  std::string answer(const std::string& request);
  std::vector<std::shared_ptr<watched>> pools();
  std::shared_ptr<watched> find(std::uint64_t key);
  /// True: none is left, and the thread ends.
  bool let_go_of_ended();

  std::mutex life_mutex_; ///< who adds and removes; before mutex_
  std::mutex mutex_;
  std::vector<entry> entries_;
  std::weak_ptr<runtime::unique_fd> bell_; ///< its thread holds it
  std::uint64_t owner_ = 0;                ///< own_process::identity of the thread
  std::thread thread_;
  bool running_ = false;
};

} // namespace bulkhead::observe::detail
