// ctest-timeout: 240
// ctest-label: once
// ctest-link: bulkhead_engine_rabbitmq
// TLS with certificates of both sides and a user with the least rights, by the commands and the
// configuration of docs/cluster.md; and what each mistake with them looks like.
#include "tests/support/cluster.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

#include <sys/wait.h>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;
using bulkhead::testing::broker;
using bulkhead::testing::free_port;
using bulkhead::testing::temporary_folder;

namespace {

int doubled(int x) { return 2 * x; }

/// The block of docs/cluster.md that begins with these words.
std::string block(const std::string& beginning) {
  std::ifstream in(BULKHEAD_SOURCE_DIR "/docs/cluster.md");
  const std::string all{std::istreambuf_iterator<char>(in), {}};
  const auto from = all.find("```\n" + beginning);
  REQUIRE_MESSAGE(from != std::string::npos, beginning);
  return all.substr(from + 4, all.find("\n```", from) - from - 3);
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

void shell(const std::string& commands) {
  const auto status = std::system(("bash -euc '" + commands + "' > /dev/null 2>&1").c_str());
  REQUIRE_MESSAGE((WIFEXITED(status) && WEXITSTATUS(status) == 0), commands);
}

/// Certificates as in the document, those that a test needs besides, and a broker that uses them,
/// with the document's user.
class secured {
public:
  secured() : tls_port_(free_port()) {
    shell("cd " + path("") + "\n" + block("openssl req -x509"));
    shell("cd " + path("")
          + "\nfor name in broker thumbnails; do openssl x509 -req -in $name.csr -CA authority.pem "
            "-CAkey authority.key -CAcreateserial -copy_extensions copy -days -1 "
            "-out $name-expired.pem; done");
    auto config = block("listeners.ssl");
    config = replaced(config, "/etc/rabbitmq/", path(""));
    config = replaced(config, "5671", "127.0.0.1:" + std::to_string(tls_port_));
    server_ = std::make_unique<broker>(
      broker::settings{.config = config, .plugins = "rabbitmq_auth_mechanism_ssl"});
    server_->control(block("rabbitmqctl add_vhost"));
  }

  std::string path(const std::string& file) const { return (folder_.path() / file).string(); }

  /// Everything right; a case changes one thing.
  rabbitmq engine(const std::string& user = "thumbnails:a%20long%20secret@") const {
    return {.url = "amqps://" + user + "localhost:" + std::to_string(tls_port_) + "/bulkhead",
            .queue = "thumbnails",
            .lease = 2s,
            .nodes_within = 60s,
            .ca_file = path("authority.pem"),
            .certificate_file = path("thumbnails.pem"),
            .key_file = path("thumbnails.key")};
  }
  broker& server() { return *server_; }

private:
  temporary_folder folder_;
  int tls_port_;
  std::unique_ptr<broker> server_;
};

secured& place() {
  static secured one;
  return one;
}

node_wish node_of(const rabbitmq& e) {
  return {.url = e.url,
          .queue = e.queue,
          .ca_file = e.ca_file,
          .certificate_file = e.certificate_file,
          .key_file = e.key_file};
}

/// What the pool's constructor says.
std::string refusal(const rabbitmq& engine) {
  try {
    const pool p({.engine = engine});
  } catch (const pool_broken& e) {
    return e.what();
  }
  return "it was not refused";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A broker whose own certificate has expired, as far as a client gets with it.
class expired_broker {
public:
  explicit expired_broker(const secured& from) : port_(free_port()) {
    const auto port = "127.0.0.1:" + std::to_string(port_);
    const auto certificate = from.path("broker-expired.pem");
    const auto key = from.path("broker.key");
    pid_ = ::fork();
    if (pid_ != 0)
      return;
    const int nowhere = ::open("/dev/null", O_RDWR); // what it says of its clients
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(nowhere, STDERR_FILENO);
    ::execlp("openssl", "openssl", "s_server", "-quiet", "-accept", port.c_str(), "-cert",
             certificate.c_str(), "-key", key.c_str(), nullptr);
    ::_exit(127);
  }
  expired_broker(const expired_broker&) = delete;
  expired_broker& operator=(const expired_broker&) = delete;
  ~expired_broker() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  std::string url() const { return "amqps://a:b@localhost:" + std::to_string(port_) + "/bulkhead"; }

private:
  int port_;
  pid_t pid_ = -1;
};

} // namespace

TEST_CASE("certificates of both sides and the rights of the document are enough for all calls") {
  if (!broker::is_installed())
    return;
  const auto engine = place().engine();
  test_node node(node_of(engine));
  pool p({.engine = engine});
  CHECK(p.submit(doubled, 21).get() == 42);
  std::vector<int> many(20'000, 3); // also more than a record of TLS at once
  CHECK(p.map(doubled, many) == std::vector<int>(many.size(), 6));
  const std::string large(5'000'000, 'x');
  CHECK(p.apply([](const std::string& text) { return text + "y"; }, large) == large + "y");
  CHECK(find_nodes(engine, 2s).size() == 1);
  CHECK(node.end().has_value());
}

TEST_CASE("the certificate alone may say who logs in") {
  if (!broker::is_installed())
    return;
  const auto engine = place().engine("");
  test_node node(node_of(engine));
  pool p({.engine = engine});
  CHECK(p.submit(doubled, 4).get() == 8);
}

TEST_CASE("each mistake with a certificate has its text, and nobody tries again") {
  if (!broker::is_installed())
    return;
  auto wrong = place().engine();
  wrong.certificate_file = place().path("thumbnails-expired.pem");
  CHECK(has(refusal(wrong), "does not take this client's certificate"));
  CHECK(has(refusal(wrong), "expired"));

  wrong = place().engine();
  wrong.certificate_file = wrong.key_file = "";
  CHECK(has(refusal(wrong), "certificate required"));

  wrong = place().engine();
  wrong.ca_file = ""; // the system's
  CHECK(has(refusal(wrong), "the broker's certificate: "));

  wrong = place().engine();
  wrong.url = replaced(wrong.url, "localhost", "127.0.0.1");
  CHECK(has(refusal(wrong), "hostname"));

  wrong = place().engine();
  wrong.key_file = place().path("broker.key");
  CHECK(has(refusal(wrong), "cannot use"));

  const expired_broker old(place());
  wrong = place().engine();
  wrong.url = old.url();
  CHECK(has(refusal(wrong), "the broker's certificate: certificate has expired"));
}

TEST_CASE("a wrong password and each right that is missing are told at once") {
  if (!broker::is_installed())
    return;
  const auto wrong = refusal(place().engine("thumbnails:secret@"));
  CHECK(has(wrong, "ACCESS_REFUSED"));
  CHECK(!has(wrong, "secret"));

  auto other = place().engine();
  other.queue = "other";
  CHECK(has(refusal(other), "bulkhead.other.nodes"));
  CHECK_THROWS_AS(find_nodes(other, 1s), pool_broken);
  test_node node(node_of(other));
  const auto ended = node.own().outcome<void>();
  REQUIRE(!ended);
  CHECK(has(ended.failure().message, "bulkhead.other.nodes"));

  // May make and read its queues, and publish to none; then read none of the tasks.
  const auto user = [](const std::string& name, const std::string& write, const std::string& read) {
    return "rabbit_auth_backend_internal:add_user(<<\"" + name
           + "\">>, <<\"secret\">>, <<\"test\">>),"
           + "rabbit_auth_backend_internal:set_permissions(<<\"" + name
           + "\">>, <<\"bulkhead\">>, <<\".*\">>, <<\"" + write + "\">>, <<\"" + read
           + "\">>, <<\"test\">>)";
  };
  place().server().control("rabbitmqctl eval '" + user("mute", "^bulkhead", ".*") + ", "
                           + user("blind", ".*", "^bulkhead.(node|pool)|nodes$") + ".'");
  CHECK(has(refusal(place().engine("mute:secret@")), "ACCESS_REFUSED"));
  test_node blind(node_of(place().engine("blind:secret@")));
  const auto stopped = blind.own().outcome<void>();
  REQUIRE(!stopped);
  CHECK(has(stopped.failure().message, "ACCESS_REFUSED"));
}
