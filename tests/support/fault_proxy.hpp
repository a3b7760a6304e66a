#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace bulkhead::testing {

/// Stands between clients and a broker on loopback and does to their connections what networks do.
/// One thread; every call may come from another.
class fault_proxy {
public:
  explicit fault_proxy(int broker_port);
  fault_proxy(const fault_proxy&) = delete;
  fault_proxy& operator=(const fault_proxy&) = delete;
  ~fault_proxy();

  /// Of the user guest, through the proxy.
  std::string url() const;

  /// Nothing passes in these directions until heal(); what is sent waits, as in a network that
  /// loses it and a kernel that sends it again.
  void cut(bool to_broker, bool from_broker);
  void heal() { cut(false, false); }
  /// Resets every connection, as seen from both ends.
  void reset() { resets_.fetch_add(1); }
  /// The next connection is reset when it has carried so many frames of AMQP, both directions
  /// counted; the client's first eight bytes are one.
  void reset_next_after(std::uint64_t frames) { next_limit_.store(frames); }
  /// Whether that has happened since the last reset_next_after.
  bool has_reset() const { return next_limit_.load() == 0 && limited_.load() == 0; }

private:
  struct link;

  void run();
  void accept();
  void carry(link& l, int from);
  static void abort(link& l);

  const int broker_port_;
  int listener_ = -1;
  int stop_[2] = {-1, -1};
  int port_ = 0;
  std::vector<std::unique_ptr<link>> links_; ///< the thread's own
  std::atomic<bool> cut_[2] = {false, false};
  std::atomic<std::uint64_t> resets_{0};
  std::atomic<std::uint64_t> next_limit_{0}; ///< 0: none
  std::atomic<std::uint64_t> limited_{0};    ///< connections that have one
  std::thread thread_;
};

} // namespace bulkhead::testing
