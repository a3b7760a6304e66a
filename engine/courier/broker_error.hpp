#pragma once

#include <stdexcept>
#include <string>

namespace bulkhead::engine {

/// Why there is no connection.
class broker_error : public std::runtime_error {
public:
  broker_error(const std::string& what, bool is_final)
    : std::runtime_error(what), is_final_(is_final) {}
  /// Trying again cannot help: a wrong password, name or certificate.
  bool is_final() const noexcept { return is_final_; }

private:
  bool is_final_;
};

} // namespace bulkhead::engine
