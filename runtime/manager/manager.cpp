#include <bulkhead/error.hpp>
#include <bulkhead/listener.hpp>
#include <bulkhead/manager.hpp>

#include "runtime/manager/manager_server.hpp"
#include "runtime/testing/hooks.hpp"

#include <bulkhead/detail/type_name.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

// The clients' side of managers.
namespace bulkhead {

namespace detail {

namespace {

/// For an answer that has not to wait for anything.
constexpr std::chrono::seconds patience{60};
/// Beyond this a wait is one for ever.
constexpr std::chrono::nanoseconds longest_wait = std::chrono::hours{24 * 365};

[[noreturn]] void say_lost(const char* why) {
  throw manager_lost(std::string{"the manager "} + why
                     + "; what it kept is lost with its process, make a new one");
}

} // namespace

manager_line manager_link::take_line() {
  {
    const std::lock_guard lock{mutex_};
    if (!idle_.empty()) {
      auto line = std::move(idle_.back());
      idle_.pop_back();
      return line;
    }
  }
  auto [ours, theirs] = make_pipe<manager_message>();
  door_.send(theirs);
  return ours;
}

manager_message manager_link::call(const manager_message& request,
                                   std::optional<std::chrono::nanoseconds> waits) {
  try {
    auto line = take_line();
    line.send(request);
    auto answer =
      waits ? line.recv(std::min(*waits, longest_wait) + patience) : std::optional{line.recv()};
    if (!answer)
      say_lost("does not answer: it is stopped, or the machine is overloaded");
    if (answer->status == manager_status::refused)
      throw config_error("manager: "
                         + (answer->texts.empty() ? std::string{"refused"} : answer->texts[0]));
    if (request.what == manager_op::queue_get && answer->status == manager_status::ok) {
      BULKHEAD_HOOK("manager.item_came");
      manager_message taken;
      taken.object = request.object;
      taken.what = manager_op::queue_taken;
      line.send(taken);
    }
    const std::lock_guard lock{mutex_};
    idle_.push_back(std::move(line));
    return *std::move(answer);
  } catch (const pipe_closed&) {
    say_lost("has ended");
  }
}

manager_message managed_object::ask_until(manager_op what, std::vector<std::string> texts,
                                          time_point deadline) const {
  if (deadline == time_point::max())
    return link_->call({id_, what, manager_status::ok, -1, std::move(texts)}, std::nullopt);
  const auto left = std::max(deadline - std::chrono::steady_clock::now(),
                             std::chrono::steady_clock::duration::zero());
  return link_->call({id_, what, manager_status::ok, left.count(), std::move(texts)}, left);
}

const std::string& managed_object::text(const manager_message& a) {
  if (texts(a).empty())
    say_lost("answers with less than was asked for: it is of another version");
  return texts(a).front();
}

void throw_not_managed(const std::type_info& type) {
  throw codec_error(
    "a " + type_name(type)
    + " has open descriptors and cannot be kept by a manager; pass it through a pipe "
      "or as an argument");
}

std::shared_ptr<manager_link> connect_to_manager(const std::string& address, const std::string& key,
                                                 time_point deadline) {
  auto entrance = connection_access::make<manager_door>(connect_to(address, key, deadline));
  const auto left = deadline - std::chrono::steady_clock::now();
  auto door = entrance.recv(std::max<std::chrono::nanoseconds>(left, std::chrono::seconds{1}));
  if (!door)
    throw timeout_error("the manager at " + address + " did not answer in time");
  return std::make_shared<manager_link>(std::move(*door));
}

} // namespace detail

void managed_namespace::throw_other_type(const std::string& name, const std::string& is,
                                         const std::string& asked) {
  throw config_error("managed_namespace: '" + name + "' is of type " + is + ", not " + asked);
}

std::uint64_t manager_handle::make_object(managed_kind kind, const std::string& type,
                                          const std::string& name, std::size_t capacity) {
  detail::manager_message request;
  request.object = static_cast<std::uint64_t>(kind);
  request.number = static_cast<std::int64_t>(capacity);
  request.texts = {type, name};
  return static_cast<std::uint64_t>(link_->call(request).number);
}

void manager_handle::serve_at(const std::string& address, const std::string& key) {
  detail::manager_message request;
  request.what = detail::manager_op::serve_at;
  request.texts = {address, key};
  link_->call(request);
}

struct manager::started {
  process server;
  std::shared_ptr<detail::manager_link> link;
};

manager::started manager::start(process_options options) {
  if (!options.daemon)
    throw config_error(
      "process_options::daemon is false; a manager's process never ends by itself: "
      "leave it true");
  if (options.name.empty())
    options.name = "manager";
  auto [inside, outside] = make_pipe<detail::manager_line>(false);
  started made{process{std::move(options), &runtime::serve_managed, inside, outside},
               std::make_shared<detail::manager_link>(outside)};
  made.server.start();
  return made;
}

manager::manager(process_options options) : manager(start(std::move(options))) {}

manager::manager(started made)
  : manager_handle(std::move(made.link)), server_(std::move(made.server)) {}

} // namespace bulkhead
