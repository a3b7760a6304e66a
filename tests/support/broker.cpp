#include "tests/support/broker.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

namespace bulkhead::testing {

namespace {

constexpr const char* server_program = "/usr/lib/rabbitmq/bin/rabbitmq-server";
constexpr const char* epmd_program = "/usr/bin/epmd";
constexpr auto boot_patience = std::chrono::seconds{120};

sockaddr_in loopback(int port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

/// Ports that nobody has now.
std::vector<int> free_ports(std::size_t count) {
  std::vector<int> sockets;
  std::vector<int> ports;
  for (std::size_t i = 0; i < count; ++i) {
    sockets.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto at = loopback(0);
    socklen_t size = sizeof at;
    if (::bind(sockets.back(), reinterpret_cast<sockaddr*>(&at), size) != 0
        || ::getsockname(sockets.back(), reinterpret_cast<sockaddr*>(&at), &size) != 0)
      throw std::runtime_error("no free port");
    ports.push_back(ntohs(at.sin_port));
  }
  for (const int s : sockets)
    ::close(s);
  return ports;
}

bool is_open(int port) {
  const int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto at = loopback(port);
  const bool open = ::connect(s, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0;
  ::close(s);
  return open;
}

/// In a process beside the server: when the test has died without its destructors, the whole group
/// goes.
[[noreturn]] void outlive_nobody(pid_t test) {
  ::close_range(0, ~0U, 0);
  while (::kill(test, 0) == 0)
    ::usleep(200'000);
  ::kill(0, SIGKILL);
  ::_exit(0);
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

} // namespace

bool broker::is_installed() {
  if (::access(server_program, X_OK) == 0 && ::access(epmd_program, X_OK) == 0)
    return true;
  std::fprintf(stderr, "skipped: rabbitmq-server is not installed (apt-get install "
                       "rabbitmq-server)\n");
  return false;
}

int free_port() { return free_ports(1).front(); }

broker::broker(const settings& wanted) {
  const auto ports = free_ports(3);
  port_ = ports[0];
  distribution_port_ = ports[1];
  epmd_port_ = wanted.beside == nullptr ? ports[2] : wanted.beside->epmd_port_;
  name_ = "bulkhead" + std::to_string(::getpid()) + "p" + std::to_string(port_) + "@localhost";
  std::string join;
  if (wanted.beside != nullptr) {
    join = "cluster_formation.peer_discovery_backend = classic_config\n"
           "cluster_formation.classic_config.nodes.1 = "
           + wanted.beside->name_ + "\ncluster_formation.classic_config.nodes.2 = " + name_ + "\n";
    std::filesystem::copy_file(wanted.beside->folder() / ".erlang.cookie",
                               folder() / ".erlang.cookie");
  }
  folder_.write("rabbit.conf", "loopback_users.guest = true\n" + join + wanted.config + "\n");
  folder_.write("plugins", "[" + wanted.plugins + "].\n");
  if (wanted.beside == nullptr) {
    epmd_ = launch({epmd_program, "-port", std::to_string(epmd_port_), "-address", "127.0.0.1"},
                   "epmd.log");
    wait_until_open(epmd_port_, epmd_); // else the server starts one of its own, which stays behind
  }
  start();
}

broker::~broker() {
  kill();
  if (epmd_ <= 0)
    return;
  ::kill(-epmd_, SIGKILL);
  ::waitpid(epmd_, nullptr, 0);
}

std::string broker::url(const std::string& password) const {
  return "amqp://guest:" + password + "@127.0.0.1:" + std::to_string(port_) + "/%2f";
}

std::vector<std::string> broker::environment() const {
  const auto folder = folder_.path().string();
  return {"PATH=/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/sbin:/bin",
          "HOME=" + folder,
          "LANG=C.UTF-8",
          "ERL_EPMD_PORT=" + std::to_string(epmd_port_),
          "ERL_EPMD_ADDRESS=127.0.0.1",
          "RABBITMQ_NODENAME=" + name_,
          "RABBITMQ_NODE_PORT=" + std::to_string(port_),
          "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
          "RABBITMQ_DIST_PORT=" + std::to_string(distribution_port_),
          "RABBITMQ_MNESIA_BASE=" + folder + "/data",
          "RABBITMQ_LOG_BASE=" + folder + "/log",
          "RABBITMQ_ENABLED_PLUGINS_FILE=" + folder + "/plugins",
          "RABBITMQ_CONFIG_FILE=" + folder + "/rabbit",
          "RABBITMQ_CONF_ENV_FILE=/dev/null",
          "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+sbwt none +sbwtdcpu none +sbwtdio none "
          "-rabbit channel_tick_interval 1000 -rabbit consumer_timeout 2000"};
}

pid_t broker::launch(const std::vector<std::string>& words, const std::string& log) const {
  auto environment = this->environment();
  std::vector<char*> argv;
  std::vector<char*> envp;
  for (const auto& w : words)
    argv.push_back(const_cast<char*>(w.c_str()));
  for (auto& e : environment)
    envp.push_back(e.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  const auto file = (folder_.path() / log).string();
  const pid_t test = ::getpid();
  const pid_t child = ::fork();
  if (child != 0)
    return child;
  // Between fork and exec: async-signal-safe calls only.
  ::setpgid(0, 0);
  if (::fork() == 0)
    outlive_nobody(test);
  const int out = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int in = ::open("/dev/null", O_RDONLY);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(out, 2);
  ::close_range(3, ~0U, 0);
  ::execve(argv[0], argv.data(), envp.data());
  ::_exit(127);
}

void broker::start() {
  server_ = launch({server_program}, "server.log");
  wait_until_open(port_, server_);
}

void broker::control(const std::string& commands) {
  std::filesystem::remove(folder() / "control.log");
  const pid_t shell = launch({"/bin/bash", "-euc", commands}, "control.log");
  int status = 0;
  ::waitpid(shell, &status, 0);
  ::kill(-shell, SIGKILL); // who has watched over it
  if (status != 0)
    throw std::runtime_error("rabbitmqctl: " + text_of(folder() / "control.log"));
}

void broker::wait_until_open(int port, pid_t whose) const {
  const auto until = std::chrono::steady_clock::now() + boot_patience;
  while (!is_open(port)) {
    const bool ended = ::waitpid(whose, nullptr, WNOHANG) != 0;
    if (ended || std::chrono::steady_clock::now() > until)
      throw std::runtime_error("rabbitmq-server does not start: "
                               + text_of(folder_.path() / "server.log"));
    std::this_thread::sleep_for(std::chrono::milliseconds{50}); // polled: it tells nobody
  }
}

void broker::kill() {
  if (server_ <= 0)
    return;
  ::kill(-server_, SIGKILL); // its own small children too
  ::waitpid(server_, nullptr, 0);
  server_ = -1;
}

} // namespace bulkhead::testing
