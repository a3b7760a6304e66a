#pragma once

#include "runtime/system/unique_fd.hpp"

#include <httplib.h>

#include <chrono>
#include <string>

namespace bulkhead::observe::detail {

/// Reads what comes until the empty line that ends a head: at most 8 KiB, within 5 seconds in all,
/// however slowly it comes. Empty where that was not enough, or the other end went away.
std::string read_head(int fd);

/// One accepted connection: what httplib reads is the head that was read and checked before, what
/// it writes goes to the socket, with at most 5 seconds without progress.
class connection final : public httplib::Stream {
public:
  connection(int fd, std::string head) : fd_(fd), head_(std::move(head)) {}

  bool is_readable() const override { return at_ < head_.size(); }
  bool is_writable() const override;
  ssize_t read(char* to, std::size_t size) override;
  ssize_t write(const char* from, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return fd_; }

private:
  int fd_;
  std::string head_;
  std::size_t at_ = 0;
};

/// A listening socket. Throws std::system_error with the address. `port` becomes the real one.
runtime::unique_fd listen_at(const std::string& host, int& port);

} // namespace bulkhead::observe::detail
