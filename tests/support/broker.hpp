#pragma once

#include "tests/support/temporary_folder.hpp"

#include <sys/types.h>

#include <string>
#include <vector>

namespace bulkhead::testing {

/// A rabbitmq-server of the test's own: on loopback, with its own folder, free ports, and its own
/// epmd (the name server that Erlang needs). All of it ends with the object. Its acknowledgement
/// time-out, half an hour by default, is two seconds.
class broker {
public:
  /// Whether the server is installed; where it is not, a line says so.
  static bool is_installed();

  /// Returns when it takes connections. `config`: further lines of rabbitmq.conf. Throws
  /// std::runtime_error with the end of its log.
  explicit broker(const std::string& config = {});
  broker(const broker&) = delete;
  broker& operator=(const broker&) = delete;
  ~broker();

  /// As the user guest; `password` where it is to be another.
  std::string url(const std::string& password = "guest") const;

  void kill();  ///< SIGKILL, and waits for its end
  void start(); ///< again, with what it had

private:
  pid_t launch(const std::vector<std::string>& words, const std::string& log) const;
  void wait_until_open(int port, pid_t whose) const;

  temporary_folder folder_;
  int port_ = 0;
  int distribution_port_ = 0;
  int epmd_port_ = 0;
  std::string name_;
  pid_t epmd_ = -1;
  pid_t server_ = -1;
};

} // namespace bulkhead::testing
