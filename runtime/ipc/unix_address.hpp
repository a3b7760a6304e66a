#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

namespace bulkhead::runtime {

/// Where a Unix socket listens: a path, or "@NAME" in the kernel's own name space.
class unix_address {
public:
  /// Throws config_error where it is empty or too long, with the limit.
  explicit unix_address(const std::string& text);

  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&address_); }
  socklen_t size() const noexcept { return size_; }
  /// It has an entry in the file system, to be removed.
  bool is_path() const noexcept { return address_.sun_path[0] != '\0'; }
  const char* path() const noexcept { return address_.sun_path; }

private:
  sockaddr_un address_{};
  socklen_t size_ = 0;
};

} // namespace bulkhead::runtime
