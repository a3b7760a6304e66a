#pragma once

#include <chrono>
#include <string>

namespace bulkhead::runtime {

/// Two ends of a connected SOCK_SEQPACKET socket show each other that they belong to the same user
/// (the kernel says so) and know the same key: each sends a random number, and the HMAC-SHA-256 of
/// both under the key and its own role, so that no answer serves the other direction or another
/// connection. Both functions throw authentication_error, also for a peer that says nothing until
/// the deadline or something else.
void admit_client(int socket, const std::string& key,
                  std::chrono::steady_clock::time_point deadline);
void enter_as_client(int socket, const std::string& key,
                     std::chrono::steady_clock::time_point deadline);

/// Throws config_error for one that is too short to keep anybody out.
void check_key(const std::string& key);

} // namespace bulkhead::runtime
