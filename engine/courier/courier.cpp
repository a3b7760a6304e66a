#include "engine/courier/courier.hpp"

#include "engine/courier/courier_process.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <system_error>
#include <utility>

#include <poll.h>

namespace bulkhead::engine {

namespace {

using namespace std::chrono_literals;

constexpr auto first_pause = 50ms;
constexpr auto longest_pause = 5s;
constexpr auto stuck_after = 20s; // a handshake and an answer may take 10 s each

// Half to all of a pause that doubles: many who lost one broker do not come back at once.
std::chrono::milliseconds pause_of(std::uint32_t tries) {
  const auto whole =
    std::min<std::chrono::milliseconds>(longest_pause, first_pause * (1U << std::min(tries, 8U)));
  thread_local std::minstd_rand random{std::random_device{}()};
  return std::chrono::milliseconds{
    std::uniform_int_distribution<std::int64_t>{whole.count() / 2, whole.count()}(random)};
}

} // namespace

courier::courier(courier_settings settings) : settings_(std::move(settings)) {}

std::optional<courier::attempt> courier::begin() {
  if (stream_ || hopeless_ || clock::now() < start_at_)
    return std::nullopt;
  attempt a{std::move(process_), tries_};
  process_.reset();
  return a;
}

void courier::attempt::launch(const courier_settings& settings) {
  former_.reset();
  try {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      throw std::system_error(errno, std::generic_category(), "socketpair");
    socket_ = runtime::unique_fd{ends[0]};
    const descriptor theirs{ends[1]};
    process_options how;
    how.name = "courier";
    auto own = settings;
    own.url = url_of_try(settings.url, tries_);
    made_.emplace(how, &run_courier, own, theirs);
    made_->start();
  } catch (const std::exception& e) {
    error_ = std::string("no process for the connection: ") + e.what();
  }
}

void courier::adopt(attempt&& a) {
  if (!a.error_.empty())
    return lose(std::move(a.error_));
  process_ = std::move(a.made_);
  stream_.emplace(std::move(a.socket_));
  stuck_at_ = clock::now() + stuck_after;
  ++life_;
}

short courier::events() const noexcept {
  return static_cast<short>(POLLIN | (pending() != 0 ? POLLOUT : 0));
}

courier::clock::time_point courier::next_look() const noexcept {
  if (stream_)
    return stuck_at_;
  return hopeless_ ? clock::time_point::max() : start_at_;
}

void courier::put(packet_kind kind, std::uint64_t number, std::string_view name,
                  std::span<const std::byte> body) {
  if (up_)
    stream_->put(kind, number, name, body);
}

bool courier::next(packet& p) {
  try {
    return stream_->next(p);
  } catch (const std::exception& e) {
    lose(e.what());
    return false;
  }
}

// True: it concerns the connection alone, or nobody else may hear it before it is up.
bool courier::own(const packet& p) {
  stuck_at_ = clock::now() + stuck_after;
  switch (p.kind) {
  case packet_kind::ready:
    up_ = true;
    tries_ = 0;
    reason_.clear();
    return false;
  case packet_kind::beat:
    return true;
  case packet_kind::blocked:
    blocked_ = true;
    return false;
  case packet_kind::unblocked:
    blocked_ = false;
    return false;
  case packet_kind::failed:
    reason_ = {reinterpret_cast<const char*>(p.body.data()), p.body.size()};
    // Who was served once waits for the operator to undo what he did.
    hopeless_ = p.number != 0 && !served_;
    return true;
  default:
    served_ |= up_;
    return !up_;
  }
}

void courier::lose(std::string why) {
  stream_.reset();
  if (process_ && process_->is_alive())
    process_->kill();
  up_ = false;
  blocked_ = false;
  stuck_at_ = clock::time_point::max();
  reason_ = std::move(why);
  start_at_ = clock::now() + pause_of(tries_++);
}

void courier::end(std::chrono::milliseconds patience) noexcept {
  const auto until = clock::now() + patience;
  while (up_ && pending() != 0 && stream_->flush() && pending() != 0 && clock::now() < until) {
    pollfd watched{stream_->fd(), POLLOUT, 0};
    ::poll(&watched, 1, 50);
  }
  if (stream_)
    ::shutdown(stream_->fd(), SHUT_WR); // it carries out what it has, then sees the end
  try {
    if (process_)
      process_->join(std::max(patience, 100ms));
  } catch (const std::exception&) { // it is killed below
  }
  stream_.reset();
  process_.reset();
  up_ = false;
}

} // namespace bulkhead::engine
