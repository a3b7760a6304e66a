#include "engine/courier/tls.hpp"

#include "engine/courier/broker_error.hpp"

#include <amqp_ssl_socket.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>

// librabbitmq says that TLS failed, and not why. OpenSSL keeps the reason.
namespace bulkhead::engine {

namespace {

constexpr const char* system_authorities = "/etc/ssl/certs/ca-certificates.crt";

/// Why the broker's certificate was not taken.
std::string& refusal() {
  thread_local std::string text;
  return text;
}

int note_refusal(int is_good, X509_STORE_CTX* chain) {
  if (is_good == 0)
    refusal() = X509_verify_cert_error_string(X509_STORE_CTX_get_error(chain));
  return is_good;
}

std::string openssl_reason() {
  const auto* reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason == nullptr ? "" : reason;
}

/// The broker has told why it does not take ours (RFC 8446, 6.2).
bool is_about_certificate(unsigned long error) noexcept {
  constexpr std::array alerts{SSL_AD_BAD_CERTIFICATE,     SSL_AD_UNSUPPORTED_CERTIFICATE,
                              SSL_AD_CERTIFICATE_REVOKED, SSL_AD_CERTIFICATE_EXPIRED,
                              SSL_AD_CERTIFICATE_UNKNOWN, SSL_AD_UNKNOWN_CA,
                              SSL_AD_ACCESS_DENIED,       SSL_AD_CERTIFICATE_REQUIRED};
  const int alert = ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET;
  return ERR_GET_LIB(error) == ERR_LIB_SSL
         && std::find(alerts.begin(), alerts.end(), alert) != alerts.end();
}

void require_good(int status, const std::string& file) {
  if (status != AMQP_STATUS_OK)
    throw broker_error("cannot use " + file + ": " + openssl_reason(), true);
}

} // namespace

amqp_socket_t* make_tls_socket(amqp_connection_state_t state, const courier_settings& settings) {
  auto* socket = amqp_ssl_socket_new(state);
  if (socket == nullptr)
    return nullptr;
  const auto authorities = settings.ca_file.empty() ? system_authorities : settings.ca_file;
  require_good(amqp_ssl_socket_set_cacert(socket, authorities.c_str()), authorities);
  if (!settings.certificate_file.empty())
    require_good(
      amqp_ssl_socket_set_key(socket, settings.certificate_file.c_str(), settings.key_file.c_str()),
      settings.certificate_file + " with " + settings.key_file);
  refusal().clear();
  SSL_CTX_set_verify(static_cast<SSL_CTX*>(amqp_ssl_socket_get_context(socket)), SSL_VERIFY_PEER,
                     note_refusal);
  return socket;
}

tls_failure last_tls_failure() {
  if (!refusal().empty())
    return {"the broker's certificate: " + refusal(), true};
  const auto error = ERR_peek_last_error();
  if (error == 0)
    return {};
  if (is_about_certificate(error))
    return {"the broker does not take this client's certificate: " + openssl_reason(), true};
  return {openssl_reason(), false};
}

} // namespace bulkhead::engine
