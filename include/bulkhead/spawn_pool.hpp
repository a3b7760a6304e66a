#pragma once

#include <bulkhead/actor.hpp>
#include <bulkhead/options.hpp>

#include <caf/actor.hpp>
#include <caf/message.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace bulkhead {

/// How the actor of a spawn_pool distributes messages over its instances. The functions run in the
/// threads of senders, those that join answers on the runtime thread: they are quick and do not
/// block.
struct distribution {
  enum class kind {
    options,        ///< as pool_options::dispatch says (default)
    key_hash,       ///< same key, same instance, as long as it lives
    choose,         ///< the user's function
    broadcast,      ///< to all; a request is answered by the first answer when all have answered
    first_answer,   ///< to all; the first value answers, an error only where none has a value
    scatter_gather, ///< a part to each; the answers are joined
  };
  using key_function = std::function<std::string(const caf::message&)>;
  /// Gets the unanswered requests of each instance; a number beyond the last means that one.
  using choose_function =
    std::function<std::size_t(const caf::message&, const std::vector<std::size_t>& loads)>;
  using split_function =
    std::function<std::vector<caf::message>(const caf::message&, std::size_t instances)>;
  using join_function = std::function<caf::message(const std::vector<caf::message>&)>;

  kind how = kind::options;
  key_function key = {}; ///< empty: the text of the message's first element
  choose_function chooser = {};
  split_function split = {};
  join_function join = {};

  static distribution by_key(key_function f = {}) { return {kind::key_hash, std::move(f)}; }
  static distribution by(choose_function f) { return {kind::choose, {}, std::move(f)}; }
  static distribution to_all() { return {kind::broadcast}; }
  static distribution first() { return {kind::first_answer}; }
  static distribution scatter(split_function s, join_function j) {
    return {kind::scatter_gather, {}, {}, std::move(s), std::move(j)};
  }
};

namespace detail {

caf::actor spawn_instances(caf::actor_system& system, pool_options options, distribution how,
                           const shipped_behavior& what, caf::message args);

template <class Behavior, class... Args>
shipped_behavior ship_instance(const Behavior& behavior) {
  if constexpr (std::is_convertible_v<const Behavior&, std::string>)
    return find_behavior(behavior);
  else
    return ship_behavior<Behavior, Args...>(behavior);
}

} // namespace detail

/// An actor that stands for many: each actor worker hosts one instance of the behaviour (a
/// function, a captureless lambda, or the name of a registered one), and the returned actor
/// distributes messages to them in the sender's thread. A request that a dying worker has not begun
/// goes to another instance; one that it may have begun is an error with may_have_executed, unless
/// `options.retries` declares the messages idempotent. Dead instances are started again with their
/// arguments, under `options.restart`. The processes end when the actor gets an exit message, loses
/// its last handle, or its system shuts down. Returns when all instances serve. Throws
/// config_error, and what pool::spawn throws.
template <class Behavior, class... Args>
// NOLINTNEXTLINE(performance-unnecessary-value-param): both are moved on; templates hide it
caf::actor spawn_pool(caf::actor_system& system, pool_options options, distribution how,
                      Behavior behavior, Args&&... args) {
  return detail::spawn_instances(system, std::move(options), std::move(how),
                                 detail::ship_instance<Behavior, Args...>(behavior),
                                 detail::spawn_arguments(std::forward<Args>(args)...));
}

template <class Behavior, class... Args>
  requires(!std::is_same_v<std::decay_t<Behavior>, distribution>)
caf::actor spawn_pool(caf::actor_system& system, pool_options options, Behavior behavior,
                      Args&&... args) {
  return spawn_pool(system, std::move(options), distribution{}, behavior,
                    std::forward<Args>(args)...);
}

/// The same for an actor class and the arguments of its constructor.
template <class Class, class... Args>
// NOLINTNEXTLINE(performance-unnecessary-value-param): both are moved on; templates hide it
caf::actor spawn_pool_of_class(caf::actor_system& system, pool_options options, distribution how,
                               Args&&... args) {
  detail::shipped_behavior what;
  what.stub = detail::to_ref(
    reinterpret_cast<const void*>(&detail::spawn_class<Class, detail::spawn_argument_t<Args>...>));
  return detail::spawn_instances(system, std::move(options), std::move(how), what,
                                 detail::spawn_arguments(std::forward<Args>(args)...));
}

} // namespace bulkhead
