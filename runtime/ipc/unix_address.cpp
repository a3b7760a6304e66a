#include "runtime/ipc/unix_address.hpp"

#include <bulkhead/error.hpp>

#include <cstddef>
#include <cstring>

namespace bulkhead::runtime {

unix_address::unix_address(const std::string& text) {
  constexpr auto most = sizeof address_.sun_path - 1;
  if (text.empty() || text == "@" || text.size() > most || text.find('\0') != std::string::npos)
    throw config_error("the address of a listener is \"" + text + "\", "
                       + std::to_string(text.size())
                       + " bytes; allowed: a path or \"@NAME\", without zero bytes, of at most "
                       + std::to_string(most) + " bytes");
  address_.sun_family = AF_UNIX;
  std::memcpy(address_.sun_path, text.data(), text.size());
  const bool is_name = text.front() == '@';
  if (is_name)
    address_.sun_path[0] = '\0'; // the name is as long as it is; a path ends with a zero
  size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size() + (is_name ? 0 : 1));
}

} // namespace bulkhead::runtime
