#include "actors/host/pool_side.hpp"
#include "actors/supervision/supervisor_node.hpp"

#include <bulkhead/supervisor.hpp>

#include <caf/actor_cast.hpp>

#include <algorithm>
#include <future>
#include <utility>

// The calls of a user, in the user's thread. Each waits for one answer of the tree and holds no
// lock meanwhile; the node promises that answer, at the latest when its pool ends, so no call waits
// for ever. A path is followed anew at each call, because a supervisor below may be another
// incarnation each time.
namespace bulkhead {

namespace detail {

/// A tree of supervisors, as its user holds it.
class supervised {
public:
  explicit supervised(std::shared_ptr<actors::supervisor_node> node) : root(std::move(node)) {}
  const std::shared_ptr<actors::supervisor_node> root;
};

} // namespace detail

namespace {

using node_ptr = std::shared_ptr<actors::supervisor_node>;

struct outcome_of_call {
  actors::answer_kind what = actors::answer_kind::done;
  std::string text;
};

template <class F>
outcome_of_call until_done(F begin) {
  // Shared with the callback: the thread that answers may still be inside set_value() when this one
  // has its value and leaves.
  const auto promised = std::make_shared<std::promise<outcome_of_call>>();
  auto coming = promised->get_future();
  begin([promised](actors::answer_kind what, const std::string& text) {
    promised->set_value({what, text});
  });
  return coming.get();
}

supervision_fault fault_of(actors::answer_kind what) {
  using enum actors::answer_kind;
  switch (what) {
  case already_started:
    return supervision_fault::already_started;
  case already_present:
    return supervision_fault::already_present;
  case not_found:
    return supervision_fault::not_found;
  case running:
    return supervision_fault::running;
  case restarting:
    return supervision_fault::restarting;
  case start_failed:
    return supervision_fault::start_failed;
  case done:
  case ended:
    break;
  }
  return supervision_fault::ended;
}

std::string explained(supervision_fault fault) {
  switch (fault) {
  case supervision_fault::already_started:
    return "a child with this id runs already; give the new one an id of its own";
  case supervision_fault::already_present:
    return "a child with this id exists and does not run; use restart_child, or delete_child first";
  case supervision_fault::not_found:
    return "no child has this id; which_children() tells those that exist";
  case supervision_fault::running:
    return "it runs; use terminate_child first";
  case supervision_fault::restarting:
    return "it is about to be restarted; use terminate_child first";
  case supervision_fault::start_failed:
    return "it did not start";
  case supervision_fault::ended:
    return "the supervisor has ended";
  }
  return {};
}

[[noreturn]] void refuse(supervision_fault fault, const std::string& id,
                         const std::string& text = {}) {
  throw supervision_error(fault, "supervised child '" + id + "': " + explained(fault)
                                   + (text.empty() ? "" : ": " + text));
}

void demand(const outcome_of_call& o, const std::string& id) {
  if (o.what != actors::answer_kind::done)
    refuse(fault_of(o.what), id, o.text);
}

/// The supervisor that a path names from here; an empty one is this one.
node_ptr find(node_ptr from, const std::string& path) {
  std::size_t at = 0;
  while (at < path.size()) {
    const auto end = std::min(path.find('/', at), path.size());
    from = from->below(path.substr(at, end - at));
    if (!from)
      refuse(supervision_fault::not_found, path, "no supervisor runs there");
    at = end + 1;
  }
  return from;
}

struct found_child {
  node_ptr parent;
  std::string id;
};

found_child locate(const std::shared_ptr<detail::supervised>& state, const std::string& path) {
  if (!state)
    refuse(supervision_fault::ended, path, "this object was moved from");
  const auto slash = path.rfind('/');
  if (slash == std::string::npos)
    return {state->root, path};
  return {find(state->root, path.substr(0, slash)), path.substr(slash + 1)};
}

caf::actor handle_of(const found_child& where) {
  auto handle = where.parent->handle_of(where.id);
  if (!handle)
    refuse(supervision_fault::not_found, where.id);
  return caf::actor_cast<caf::actor>(handle);
}

caf::actor add_to(const node_ptr& parent, const child_spec& spec) {
  caf::strong_actor_ptr made;
  demand(until_done([&](auto done) { made = parent->start_child(spec, std::move(done)); }),
         spec.id);
  return caf::actor_cast<caf::actor>(made);
}

node_ptr pattern_node(const std::shared_ptr<detail::supervised>& state, const std::string& below) {
  auto node = find(locate(state, {}).parent, below);
  if (node->options().strategy != restart_strategy::simple_one_for_one)
    throw config_error("supervisor::start_child: the supervisor '" + node->name() + "' is "
                       + std::string{to_string(node->options().strategy)}
                       + ", which has no pattern for its children; give a child_spec, or make it "
                         "simple_one_for_one");
  return node;
}

} // namespace

child_start::child_start(detail::child_start_state state)
  : state_(std::make_shared<const detail::child_start_state>(std::move(state))) {}

child_start child_start::with(actor_options options) const {
  if (!state_ || state_->make || state_->type == child_type::supervisor)
    throw config_error("child_start::with: actor_options apply to actors in workers only");
  auto state = *state_;
  if (options.name.empty())
    options.name = state.how.name;
  state.how = detail::checked(std::move(options));
  return child_start{std::move(state)};
}

child_start child(supervisor_options options, std::vector<child_spec> children) {
  detail::child_start_state state;
  state.type = child_type::supervisor;
  state.options = std::move(options);
  state.children = std::move(children);
  return child_start{std::move(state)};
}

child_start host_child(std::function<caf::actor(caf::actor_system&)> make) {
  if (!make)
    throw config_error("host_child: the function is empty");
  detail::child_start_state state;
  state.make = std::move(make);
  return child_start{std::move(state)};
}

std::string_view to_string(supervision_fault fault) noexcept {
  switch (fault) {
  case supervision_fault::already_started:
    return "already_started";
  case supervision_fault::already_present:
    return "already_present";
  case supervision_fault::not_found:
    return "not_found";
  case supervision_fault::running:
    return "running";
  case supervision_fault::restarting:
    return "restarting";
  case supervision_fault::start_failed:
    return "start_failed";
  case supervision_fault::ended:
    return "ended";
  }
  return "unknown";
}

std::string_view to_string(child_status status) noexcept {
  switch (status) {
  case child_status::undefined:
    return "undefined";
  case child_status::starting:
    return "starting";
  case child_status::running:
    return "running";
  case child_status::stopping:
    return "stopping";
  case child_status::restarting:
    return "restarting";
  }
  return "unknown";
}

supervisor::supervisor(pool& workers, const supervisor_options& options,
                       const std::vector<child_spec>& children) {
  const auto side = actors::pool_side::of(workers.core());
  auto root =
    actors::supervisor_node::make({side->hub(), side->shared_group()}, options, children, {}, {});
  // Both before it begins: a system or pool that ends meanwhile has to find it, or a caller waits
  // here for an answer that nobody gives.
  side->hub()->add(root);
  side->group().add(root);
  state_ = std::make_shared<detail::supervised>(root);
  const auto o = until_done([&](auto done) { root->begin(std::move(done)); });
  if (o.what == actors::answer_kind::done)
    return;
  throw supervision_error(fault_of(o.what),
                          "the supervisor '" + root->name() + "' did not start: " + o.text);
}

// The tree that is replaced is stopped first, as a destructor would; its children must not run on
// without an owner.
supervisor& supervisor::operator=(supervisor&& other) noexcept {
  if (this != &other) {
    stop();
    state_ = std::move(other.state_);
  }
  return *this;
}

supervisor::~supervisor() { stop(); }

void supervisor::stop() noexcept {
  if (state_)
    until_done([&](auto done) { state_->root->stop(std::move(done)); });
}

caf::actor supervisor::actor() const {
  return caf::actor_cast<caf::actor>(locate(state_, {}).parent->front());
}

caf::actor supervisor::child(const std::string& id) const { return handle_of(locate(state_, id)); }

caf::actor supervisor::start_child(const child_spec& spec, const std::string& below) {
  const auto node = find(locate(state_, {}).parent, below);
  if (node->options().strategy == restart_strategy::simple_one_for_one)
    throw config_error("supervisor::start_child: '" + node->name()
                       + "' is simple_one_for_one: its children are made from its pattern; give a "
                         "child_start or nothing instead of a child_spec");
  return add_to(node, spec);
}

caf::actor supervisor::start_child(child_start start, const std::string& below) {
  const auto node = pattern_node(state_, below);
  auto spec = node->next_of_pattern();
  spec.start = std::move(start);
  return add_to(node, spec);
}

caf::actor supervisor::start_child() {
  const auto node = pattern_node(state_, {});
  return add_to(node, node->next_of_pattern());
}

void supervisor::terminate_child(const std::string& id) {
  const auto at = locate(state_, id);
  demand(until_done([&](auto done) { at.parent->terminate_child(at.id, std::move(done)); }), id);
}

caf::actor supervisor::restart_child(const std::string& id) {
  const auto at = locate(state_, id);
  demand(until_done([&](auto done) { at.parent->restart_child(at.id, std::move(done)); }), id);
  return handle_of(at);
}

void supervisor::delete_child(const std::string& id) {
  const auto at = locate(state_, id);
  demand(until_done([&](auto done) { at.parent->delete_child(at.id, std::move(done)); }), id);
}

std::vector<child_info> supervisor::which_children(const std::string& below) const {
  return find(locate(state_, {}).parent, below)->children();
}

child_counts supervisor::count_children(const std::string& below) const {
  child_counts n;
  for (const auto& c : which_children(below)) {
    ++n.specs;
    // A child that was asked to stop may still run its last behaviour, so it counts as active.
    n.active += c.status == child_status::running || c.status == child_status::stopping;
    ++(c.type == child_type::supervisor ? n.supervisors : n.workers);
  }
  return n;
}

} // namespace bulkhead
