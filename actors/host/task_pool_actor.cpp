#include "actors/host/task_pool_actor.hpp"

#include "actors/caf/failure_error.hpp"
#include "actors/caf/proxy.hpp"
#include "actors/host/thrown_text.hpp"

#include <bulkhead/actors/message_type.hpp>
#include <bulkhead/detail/kept_failure.hpp>
#include <bulkhead/detail/task_entry.hpp>
#include <bulkhead/detail/task_sink.hpp>
#include <bulkhead/detail/type_name.hpp>
#include <bulkhead/error.hpp>

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

// The pool as an actor: a message (name of a task, arguments) becomes a task. It comes in the
// sender's thread, which must not wait, so a full backlog refuses; the outcome comes under the
// pool's lock and is answered from the runtime thread.
namespace bulkhead::actors {

namespace {

struct requester {
  std::shared_ptr<actor_hub> hub;
  caf::strong_actor_ptr pool_actor;
  caf::strong_actor_ptr sender;
  caf::message_id mid;

  // A message that is no request has nobody who waits for its result; its failure is counted.
  void answer(caf::message result) const {
    if (sender && mid.is_request())
      deliver(sender, pool_actor, mid.response_id(), std::move(result), nullptr);
  }
  void fail(const failure& f) const {
    if (sender && mid.is_request())
      answer_error(sender, mid, to_error(f), nullptr);
    else
      hub->edge().letters.add(f.message);
  }
};

void receive_result(void* context, void* result) {
  auto& [type, msg] = *static_cast<std::pair<const detail::message_type*, caf::message>*>(context);
  if (result != nullptr)
    msg = type->wrap(result);
}

/// Called under the pool's lock, answers without it: decoding runs code of user types, and the
/// answer may come back into the pool.
class answering_sink final : public detail::task_sink {
public:
  answering_sink(requester who, const detail::task_entry& task,
                 std::shared_ptr<runtime::reactor> thread)
    : who_(std::move(who)), task_(task), thread_(std::move(thread)) {}

  void on_value(std::uint64_t index, std::span<const std::byte> result) noexcept override try {
    thread_->post([who = who_, task = &task_, bytes = std::vector(result.begin(), result.end())] {
      std::pair<const detail::message_type*, caf::message> context{
        detail::find_message_type(*task->result), {}};
      try {
        task->receive_result(bytes, &receive_result, &context);
        who.answer(std::move(context.second));
      } catch (...) { // whatever the code of the user's types throws
        who.fail(detail::undecodable_result());
      }
    });
  } catch (const std::bad_alloc&) {
    on_failure(index, detail::undecodable_result());
  }
  void on_failure(std::uint64_t, failure&& f) noexcept override {
    thread_->post([who = who_, f = std::move(f)] { who.fail(f); });
  }

private:
  const requester who_;
  const detail::task_entry& task_;
  const std::shared_ptr<runtime::reactor> thread_;
};

const detail::message_type& expect_type(const detail::task_entry& task,
                                        const std::type_info& type) {
  const auto* known = detail::find_message_type(type);
  if (known == nullptr)
    throw config_error("task " + task.signature() + ": declare '" + detail::type_name(type)
                       + "' with BULKHEAD_MESSAGE so that it can travel in actor messages");
  return *known;
}

std::vector<const void*> arguments_of(const detail::task_entry& task, const caf::message& msg) {
  const auto given = msg.size() - 1;
  if (given != task.arguments.size())
    throw config_error("task " + task.signature() + " takes "
                       + std::to_string(task.arguments.size()) + " arguments, the message has "
                       + std::to_string(given));
  std::vector<const void*> objects;
  for (std::size_t i = 0; i < given; ++i) {
    const auto& type = expect_type(task, *task.arguments[i]);
    if (!type.matches(msg, i + 1))
      throw config_error("task " + task.signature() + ": argument " + std::to_string(i + 1)
                         + " of the message is no " + detail::type_name(*task.arguments[i]));
    objects.push_back(element_at(msg, i + 1));
  }
  return objects;
}

detail::work make_named_work(const detail::task_entry& task, const caf::message& msg) {
  const auto objects = arguments_of(task, msg);
  if (*task.result != typeid(void))
    expect_type(task, *task.result);
  detail::work w;
  w.stub = detail::to_ref(reinterpret_cast<const void*>(task.stub));
  task.encode_callable(w.body);
  w.callable_bytes = static_cast<std::uint32_t>(w.body.size());
  // The same layout that `submit` makes: the callable, then for the one item its length and its
  // arguments.
  const auto at = w.body.size();
  w.body.grow(sizeof(std::uint32_t));
  task.encode_objects(w.body, objects);
  const auto length = w.body.size() - at - sizeof(std::uint32_t);
  if (length > UINT32_MAX)
    throw too_large("the arguments of one task exceed 4 GiB");
  const auto narrow = static_cast<std::uint32_t>(length);
  std::memcpy(w.body.data() + at, &narrow, sizeof narrow);
  w.items = 1;
  return w;
}

class task_pool_actor final : public proxy_base {
public:
  task_pool_actor(caf::actor_config& config, std::shared_ptr<actor_hub> hub,
                  std::weak_ptr<detail::pool_core> core)
    : proxy_base(config), hub_(std::move(hub)), core_(std::move(core)) {}

  void on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) override {
    if (auto exit = as_exit(msg)) {
      on_exit_message(*exit);
      return;
    }
    const requester who{hub_, caf::strong_actor_ptr{ctrl()}, std::move(sender), mid};
    try {
      dispatch(who, msg);
    } catch (const error& e) {
      who.fail(e.info());
    } catch (...) {
      failure f;
      f.kind = failure_kind::rejected;
      f.message = thrown_text();
      who.fail(f);
    }
  }
  void on_link(caf::abstract_actor*, bool) override {}

private:
  void dispatch(const requester& who, const caf::message& msg) {
    auto core = core_.lock();
    if (!core || killed())
      throw pool_closed("the pool of this actor has ended");
    if (msg.empty() || !msg.match_element<std::string>(0))
      throw config_error("the pool actor takes (std::string task_name, arguments...)");
    const auto& task = detail::expect_task(msg.get_as<std::string>(0));
    auto w = make_named_work(task, msg);
    w.sink = std::make_shared<answering_sink>(who, task, hub_->thread());
    // A time is what task_options take; one that has passed since is the shortest.
    if (const auto until = marks_scope::current().deadline; until != detail::time_point::max()) {
      task_options own;
      own.deadline = std::max<std::chrono::nanoseconds>(until - detail::time_point::clock::now(),
                                                        std::chrono::nanoseconds{1});
      w.options = std::make_shared<const task_options>(own);
    }
    if (!core->submit(std::move(w), detail::admission::try_only))
      throw queue_full("the pool's backlog is full");
  }

  // As any actor that does not trap exits: a reason other than a normal end ends it.
  void on_exit_message(const exit_request& exit) {
    if (!exit.reason || killed())
      return;
    kill(exit.reason);
    // terminate() waits for workers, and a sender's thread is CAF's or serves everybody: it must
    // not wait.
    if (auto core = core_.lock())
      core->call_back([core] { core->terminate(); });
  }

  const std::shared_ptr<actor_hub> hub_;
  const std::weak_ptr<detail::pool_core> core_;
};

} // namespace

caf::actor make_task_pool_actor(std::shared_ptr<actor_hub> hub,
                                const std::shared_ptr<detail::pool_core>& core) {
  auto& system = hub->system();
  return caf::actor_cast<caf::actor>(make_proxy<task_pool_actor>(
    system, system.next_actor_id(), system.node(), std::move(hub), core));
}

void end_task_pool_actor(const caf::actor& pool_actor) noexcept {
  auto ptr = caf::actor_cast<caf::strong_actor_ptr>(pool_actor);
  static_cast<task_pool_actor*>(ptr->get())->kill(make_error(caf::exit_reason::user_shutdown));
}

} // namespace bulkhead::actors
