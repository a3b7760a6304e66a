#include "observe/attach/attach_server.hpp"

#include "observe/attach/attach_socket.hpp"
#include "observe/output/snapshot_json.hpp"
#include "runtime/system/bell.hpp"
#include "runtime/system/masked_thread.hpp"
#include "runtime/this_process/own_process.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/observe/attachable.hpp>

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <sstream>
#include <utility>

// The thread that answers `top` and its like. `life_mutex_` orders those who add and remove pools
// and so start and stop the thread; `mutex_` guards what the thread reads. The thread ends by
// itself once the last pool has ended, and its socket with it; a forked copy of the process has
// the object but not the thread.
namespace bulkhead::observe {

namespace detail {

namespace {

using namespace std::chrono_literals;

constexpr auto between_looks = 500ms; ///< whether a pool has ended
constexpr auto client_patience = 2s;

json refused(const std::string& why) { return {{"error", why}}; }

} // namespace

attach_server& attach_server::instance() {
  static auto& only = *new attach_server; // its thread may run to the end of the process
  return only;
}

void attach_server::add(std::shared_ptr<watched> pool, bool until_it_ends) {
  const std::lock_guard life{life_mutex_};
  {
    const std::lock_guard lock{mutex_};
    entries_.push_back({std::move(pool), until_it_ends});
  }
  try {
    start();
  } catch (...) {
    const std::lock_guard lock{mutex_};
    entries_.pop_back();
    throw;
  }
}

void attach_server::remove(const watched& pool) noexcept {
  const std::lock_guard life{life_mutex_};
  std::shared_ptr<watched> last; // ends without the lock
  bool none = false;
  {
    const std::lock_guard lock{mutex_};
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const entry& e) { return e.pool.get() == &pool; });
    if (found != entries_.end()) {
      last = std::move(found->pool);
      entries_.erase(found);
    }
    none = entries_.empty();
  }
  if (none)
    stop();
}

void attach_server::start() {
  {
    const std::lock_guard lock{mutex_};
    if (running_ && runtime::own_process::is(owner_))
      return;
  }
  stop();
  auto socket = listen_as(attach_name(::getpid()));
  auto bell =
    std::make_shared<runtime::unique_fd>(runtime::make_bell("eventfd of the attach socket"));
  bell_ = bell;
  owner_ = runtime::own_process::identity();
  running_ = true;
  try {
    // Socket and bell go with the thread, which may end by itself.
    thread_ = runtime::masked_thread(
      "bh-attach", [this, bell = std::move(bell),
                    held = std::make_shared<runtime::unique_fd>(std::move(socket))]() mutable {
        const auto own_bell = std::move(bell);
        const auto own_socket = std::move(held);
        run(own_socket->get(), own_bell->get());
      });
  } catch (...) {
    running_ = false;
    throw;
  }
}

void attach_server::stop() noexcept {
  if (!thread_.joinable())
    return;
  if (!runtime::own_process::is(owner_)) { // a forked copy, in which it does not run
    static_cast<void>(new std::thread{std::move(thread_)});
    running_ = false;
    return;
  }
  if (const auto bell = bell_.lock())
    runtime::ring(bell->get());
  thread_.join();
}

void attach_server::run(int socket, int bell) {
  for (;;) {
    pollfd watched_fds[] = {{socket, POLLIN, 0}, {bell, POLLIN, 0}};
    ::poll(watched_fds, 2, static_cast<int>(between_looks / 1ms));
    if ((watched_fds[1].revents & POLLIN) != 0) {
      const std::lock_guard lock{mutex_};
      running_ = false;
      return;
    }
    if ((watched_fds[0].revents & POLLIN) != 0) {
      const runtime::unique_fd client{::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC)};
      if (client)
        serve(client.get());
    }
    if (let_go_of_ended())
      return;
  }
}

bool attach_server::let_go_of_ended() {
  std::vector<std::shared_ptr<watched>> ended; // end without the lock
  const std::lock_guard lock{mutex_};
  for (auto& e : entries_)
    if (e.until_it_ends && e.pool->ended())
      ended.push_back(std::move(e.pool));
  std::erase_if(entries_, [](const entry& e) { return e.pool == nullptr; });
  if (entries_.empty())
    running_ = false;
  return entries_.empty();
}

void attach_server::serve(int client) {
  if (!is_same_user(client))
    return;
  const auto deadline = std::chrono::steady_clock::now() + client_patience;
  const auto request = read_line(client, deadline);
  if (!request)
    return;
  std::string said;
  try {
    said = answer(*request);
  } catch (const std::exception& e) {
    said = text_of(refused(e.what()));
  }
  write_line(client, said, deadline);
}

std::string attach_server::answer(const std::string& request) {
  std::istringstream words(request);
  std::string verb;
  std::uint64_t key = 0;
  long long number = 0;
  words >> verb;
  if (verb == "snapshot") {
    watch::cursor since;
    words >> since.slice >> since.failure >> since.event >> since.message;
    auto list = json::array();
    for (const auto& p : pools())
      list.push_back(to_json(p->now(since)));
    return text_of({{"pools", list}});
  }
  words >> key >> number;
  const auto seen = find(key);
  const auto core = seen ? seen->core() : nullptr;
  if (!core)
    return text_of(refused("there is no such pool (any more)"));
  if (verb == "resize") {
    core->resize(static_cast<std::size_t>(std::max(0LL, number)));
  } else if (verb == "close") {
    core->close();
  } else if (verb == "output") {
    const auto text = core->last_output(static_cast<std::size_t>(std::max(0LL, number)));
    const auto mode = core->options().output;
    return text_of(
      {{"output", text}, {"kept", mode == output_mode::prefix || mode == output_mode::capture}});
  } else if (verb == "kill") {
    const auto workers = seen->now({UINT64_MAX, UINT64_MAX, UINT64_MAX}).workers;
    if (std::none_of(workers.begin(), workers.end(), [&](const auto& w) {
          return w.worker.pid == number && w.worker.pid != 0
                 && w.worker.state != worker_state::dead;
        }))
      return text_of(refused("no worker of this pool has pid " + std::to_string(number)));
    ::kill(static_cast<pid_t>(number), SIGKILL);
  } else {
    return text_of(refused("unknown request: " + verb));
  }
  return text_of({{"done", verb}});
}

std::vector<std::shared_ptr<watched>> attach_server::pools() {
  const std::lock_guard lock{mutex_};
  std::vector<std::shared_ptr<watched>> all;
  for (const auto& e : entries_)
    if (std::find(all.begin(), all.end(), e.pool) == all.end())
      all.push_back(e.pool);
  return all;
}

std::shared_ptr<watched> attach_server::find(std::uint64_t key) {
  for (auto& p : pools())
    if (p->key() == key)
      return p;
  return nullptr;
}

} // namespace detail

attachable::attachable(const pool& of) : seen_(detail::watched::of(of.core())) {
  detail::attach_server::instance().add(seen_, false);
}

attachable::~attachable() {
  if (seen_)
    detail::attach_server::instance().remove(*seen_);
}

attachable::attachable(attachable&&) noexcept = default;

attachable& attachable::operator=(attachable&& other) noexcept {
  if (this != &other) {
    if (seen_)
      detail::attach_server::instance().remove(*seen_);
    seen_ = std::move(other.seen_);
  }
  return *this;
}

} // namespace bulkhead::observe

/// Called by libbulkhead for each pool of a program with BULKHEAD_OBSERVE=1.
extern "C" void bulkhead_observe_attach(const std::shared_ptr<bulkhead::detail::pool_core>& core) {
  using namespace bulkhead::observe::detail;
  attach_server::instance().add(watched::of(core), true);
}
