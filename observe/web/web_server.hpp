#pragma once

#include "observe/web/access.hpp"
#include "runtime/system/unique_fd.hpp"

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>

namespace bulkhead::observe::detail {

/// Answers requests that only ask, whatever else comes: heads are read whole and checked before
/// httplib sees what is left of them, each connection gets one answer, and there are at most
/// `most_connections` at a time. Where all are taken, who has not said what it wants for a second
/// goes first; who waits meanwhile waits in the kernel, at the cost of no descriptor.
class web_server {
public:
  static constexpr std::size_t most_connections = 64;

  using answer = std::function<void(const httplib::Request&, httplib::Response&)>;

  web_server(runtime::unique_fd listening, std::string token, answer how);
  /// Ends all connections; bounded by what `answer` takes.
  ~web_server();
  web_server(const web_server&) = delete;
  web_server& operator=(const web_server&) = delete;

  /// For answers that take their time: waits until then, or false as soon as the server stops.
  bool wait_until(std::chrono::steady_clock::time_point deadline);

private:
  using clock = std::chrono::steady_clock;

  struct client {
    runtime::unique_fd fd;
    clock::time_point came;
    std::atomic<bool> has_asked{false};
    std::atomic<bool> done{false};
    std::thread thread;
  };

  /// httplib without its sockets.
  class engine final : public httplib::Server {
  public:
    engine() { svr_sock_ = 0; } // else it takes itself for one that shuts down
    ~engine() override { stop_streams(); }
    bool serve(httplib::Stream& stream) {
      bool closed = false;
      return process_request(stream, true, closed, nullptr);
    }
    /// Answers that are written piece by piece end with the next one.
    void stop_streams() { svr_sock_ = INVALID_SOCKET; }
  };

  void accept_loop();
  void serve(client& who);
  void remove_done();
  void drop_idlest();
  void add(runtime::unique_fd fd);

  const runtime::unique_fd listening_;
  const runtime::unique_fd stop_bell_;
  const std::string token_;
  engine engine_;
  std::mutex mutex_;
  std::condition_variable stopping_;
  bool stop_ = false;
  std::list<client> clients_; ///< of the accepting thread alone
  std::thread thread_;
};

} // namespace bulkhead::observe::detail
