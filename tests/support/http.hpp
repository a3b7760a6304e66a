#pragma once

#include <string>

namespace bulkhead::testing {

/// What a server of this machine answers to these bytes, until it closes or
/// has said what its Content-Length tells; sent as they are. ""
/// where it cannot be reached. Gives up after 30 seconds.
std::string answer_to(int port, const std::string& bytes);

/// The same for "GET path" with a Host header and further header lines, each ended by "\r\n".
std::string get(int port, const std::string& path, const std::string& headers = {});

/// An open connection to a port of this machine; -1 where it was refused.
int connect_to(int port);

/// Begins a connection and does not wait for it; `fd` is a socket that does not block.
void begin_connecting(int fd, int port);

/// 40123 in "http://127.0.0.1:40123/".
int port_in(const std::string& url);

/// What is behind the empty line.
std::string body_of(const std::string& answer);

} // namespace bulkhead::testing
