#include "observe/web/web_server.hpp"

#include "observe/web/connection.hpp"
#include "runtime/system/bell.hpp"
#include "runtime/system/masked_thread.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <exception>
#include <utility>

namespace bulkhead::observe::detail {

namespace {

using namespace std::chrono_literals;

constexpr auto silence = 1s; ///< after it a connection may lose its place
constexpr auto full_pause = 50ms;

void add_safety(httplib::Response& response) {
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_header("Cross-Origin-Resource-Policy", "same-origin");
  response.set_header("Referrer-Policy", "no-referrer"); // the address may hold the token
  response.set_header("Cache-Control", "no-store");
}

std::string refusal_text(int status) {
  const char* reason = status == 400   ? "Bad Request"
                       : status == 401 ? "Unauthorized"
                       : status == 403 ? "Forbidden"
                       : status == 405 ? "Method Not Allowed"
                                       : "URI Too Long";
  const std::string text = std::to_string(status) + ' ' + reason;
  return "HTTP/1.1 " + text
         + "\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: "
         + std::to_string(text.size() + 1) + (status == 405 ? "\r\nAllow: GET, HEAD" : "")
         + "\r\n\r\n" + text + '\n';
}

/// What httplib is to see of it.
std::string bare(const request_head& asked) {
  return asked.method + ' ' + asked.path + (asked.query.empty() ? "" : '?' + asked.query)
         + " HTTP/1.1\r\nConnection: close\r\n\r\n";
}

} // namespace

web_server::web_server(runtime::unique_fd listening, std::string token, answer how)
  : listening_(std::move(listening)), stop_bell_(runtime::make_bell("eventfd of the page")),
    token_(std::move(token)) {
  engine_.set_pre_routing_handler(
    [how = std::move(how)](const httplib::Request& asked, httplib::Response& response) {
      add_safety(response);
      how(asked, response);
      return httplib::Server::HandlerResponse::Handled;
    });
  thread_ = runtime::masked_thread("bh-web", [this] { accept_loop(); });
}

web_server::~web_server() {
  {
    const std::lock_guard lock{mutex_};
    stop_ = true;
  }
  stopping_.notify_all();
  engine_.stop_streams();
  runtime::ring(stop_bell_.get());
  thread_.join();
}

bool web_server::wait_until(clock::time_point deadline) {
  std::unique_lock lock{mutex_};
  return !stopping_.wait_until(lock, deadline, [this] { return stop_; });
}

void web_server::accept_loop() {
  for (;;) {
    remove_done();
    const bool full = clients_.size() >= most_connections;
    if (full)
      drop_idlest();
    // A connection that has ended is noticed within a moment; nobody waits for its descriptor.
    pollfd watched[] = {{stop_bell_.get(), POLLIN, 0}, {full ? -1 : listening_.get(), POLLIN, 0}};
    const auto pause = full ? full_pause : clients_.empty() ? -1ms : 500ms;
    ::poll(watched, 2, static_cast<int>(pause / 1ms));
    if ((watched[0].revents & POLLIN) != 0)
      break;
    if ((watched[1].revents & POLLIN) == 0)
      continue;
    runtime::unique_fd fd{
      ::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (fd)
      add(std::move(fd));
    else if (!wait_until(clock::now() + full_pause)) // no descriptor or no memory now
      break;
  }
  for (auto& c : clients_) {
    ::shutdown(c.fd.get(), SHUT_RDWR);
    c.thread.join();
  }
  clients_.clear();
}

void web_server::add(runtime::unique_fd fd) try {
  auto& c = clients_.emplace_back();
  c.fd = std::move(fd);
  c.came = clock::now();
  c.thread = runtime::masked_thread("bh-web-client", [this, &c] { serve(c); });
} catch (const std::exception&) { // no thread for it
  if (!clients_.empty() && !clients_.back().thread.joinable())
    clients_.pop_back();
}

void web_server::remove_done() {
  for (auto c = clients_.begin(); c != clients_.end();) {
    // acquire: its thread has done all that it does with what is removed here.
    if (!c->done.load(std::memory_order_acquire)) {
      ++c;
      continue;
    }
    c->thread.join();
    c = clients_.erase(c);
  }
}

void web_server::drop_idlest() {
  for (auto& c : clients_) // the oldest first
    // relaxed: where it asks at this very moment, it may be dropped all the same.
    if (!c.has_asked.load(std::memory_order_relaxed) && clock::now() - c.came > silence) {
      ::shutdown(c.fd.get(), SHUT_RDWR);
      return;
    }
}

// Nothing that a client does may end more than its connection.
void web_server::serve(client& who) {
  try {
    const auto text = read_head(who.fd.get());
    who.has_asked.store(true, std::memory_order_relaxed); // a hint, see drop_idlest
    if (!text.empty()) {
      const auto asked = parse_head(text);
      const auto refused = asked.head ? refusal_of(*asked.head, token_) : asked.refused;
      connection stream{who.fd.get(), asked.head ? bare(*asked.head) : ""};
      if (refused == 0) {
        engine_.serve(stream);
      } else {
        const auto said = refusal_text(refused);
        stream.write(said.data(), said.size());
      }
    }
  } catch (const std::exception&) { // no memory for an answer
  }
  ::shutdown(who.fd.get(), SHUT_RDWR);
  // release: partner of remove_done.
  who.done.store(true, std::memory_order_release);
}

} // namespace bulkhead::observe::detail
