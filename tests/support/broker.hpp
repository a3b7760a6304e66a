#pragma once

#include "tests/support/temporary_folder.hpp"

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace bulkhead::testing {

/// A rabbitmq-server of the test's own: on loopback, with its own folder, free ports, and its own
/// epmd (the name server that Erlang needs). All of it ends with the object. Its acknowledgement
/// time-out, half an hour by default, is two seconds.
class broker {
public:
  struct settings {
    std::string config = {};  ///< further lines of rabbitmq.conf
    std::string plugins = {}; ///< names, with commas between
    broker* beside = nullptr; ///< becomes a part of that one's cluster; it must live longer
  };

  /// Whether the server is installed; where it is not, a line says so.
  static bool is_installed();

  /// Returns when it takes connections. Throws std::runtime_error with the end of its log.
  broker() : broker(settings{}) {}
  explicit broker(const settings& wanted);
  broker(const broker&) = delete;
  broker& operator=(const broker&) = delete;
  ~broker();

  /// As the user guest; `password` where it is to be another.
  std::string url(const std::string& password = "guest") const;
  int port() const noexcept { return port_; }
  const std::filesystem::path& folder() const noexcept { return folder_.path(); }

  void kill();  ///< SIGKILL, and waits for its end
  void start(); ///< again, with what it had
  /// Runs these shell commands with its rabbitmqctl; throws std::runtime_error with their output
  /// where one fails.
  void control(const std::string& commands);

private:
  std::vector<std::string> environment() const;
  pid_t launch(const std::vector<std::string>& words, const std::string& log) const;
  void wait_until_open(int port, pid_t whose) const;

  temporary_folder folder_;
  int port_ = 0;
  int distribution_port_ = 0;
  int epmd_port_ = 0;
  std::string name_;
  pid_t epmd_ = -1; ///< -1: of another one's
  pid_t server_ = -1;
};

/// A port on loopback that nobody has now.
int free_port();

} // namespace bulkhead::testing
