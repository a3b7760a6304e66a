#pragma once

#include "engine/courier/settings.hpp"

#include <amqp.h>

#include <string>

namespace bulkhead::engine {

/// The socket of a connection with TLS, which verifies the broker's certificate and name. Null
/// without memory. Throws broker_error for a file that is of no use.
amqp_socket_t* make_tls_socket(amqp_connection_state_t state, const courier_settings& settings);

/// What OpenSSL says of the last failure in this thread.
struct tls_failure {
  std::string text;      ///< empty: it has nothing to say
  bool is_final = false; ///< one side does not take the other's certificate, and will not
};
tls_failure last_tls_failure();

} // namespace bulkhead::engine
