#include "runtime/manager/object_store.hpp"

#include <bulkhead/detail/duration.hpp>

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

// What can be done with each kind of object.
namespace bulkhead::runtime {

namespace {

using detail::manager_message;
using detail::manager_op;
using detail::manager_status;
using op = manager_op;

constexpr std::chrono::milliseconds between_looks{100};

manager_message yes(std::string text) {
  return answer_of(manager_status::ok, 0, {std::move(text)});
}
manager_message yes_or_no(bool yes) {
  return answer_of(yes ? manager_status::ok : manager_status::none);
}
manager_message number_of(std::uint64_t n) {
  return answer_of(manager_status::ok, static_cast<std::int64_t>(n));
}

/// A request's parts. What a client of another version leaves out is empty.
struct asked {
  op what;
  std::int64_t number;
  std::string first;
  std::string second;
  std::string third;

  explicit asked(const detail::manager_message& r)
    : what(r.what), number(r.number), first(text(r, 0)), second(text(r, 1)), third(text(r, 2)) {}

private:
  static std::string text(const detail::manager_message& r, std::size_t i) {
    return i < r.texts.size() ? r.texts[i] : std::string{};
  }
};

manager_message not_offered() {
  return refusal("this kind of object has no such call; the programs use different versions of the "
                 "library, or the proxy is of another manager");
}

manager_message all_entries(const stored_object& o, bool with_values) {
  auto all = answer_of(manager_status::ok);
  for (const auto& [key, value] : o.entries) {
    all.texts.push_back(key);
    if (with_values)
      all.texts.push_back(value);
  }
  return all;
}

manager_message take_entry(stored_object& o, const std::string& key) {
  auto taken = o.entries.extract(key);
  return taken ? yes(std::move(taken.mapped())) : yes_or_no(false);
}

manager_message serve_entries(stored_object& o, asked a) {
  const auto at = o.entries.find(a.first);
  const bool there = at != o.entries.end();
  switch (a.what) {
  case op::get:
    return there ? yes(at->second) : yes_or_no(false);
  case op::put:
    o.entries.insert_or_assign(std::move(a.first), std::move(a.second));
    return yes_or_no(true);
  case op::insert:
    return yes_or_no(o.entries.emplace(std::move(a.first), std::move(a.second)).second);
  case op::replace:
    if (!there || at->second != a.second)
      return yes_or_no(false);
    at->second = std::move(a.third);
    return yes_or_no(true);
  case op::erase:
    return yes_or_no(o.entries.erase(a.first) != 0);
  case op::contains:
    return yes_or_no(there);
  case op::take:
    return take_entry(o, a.first);
  case op::size:
    return number_of(o.entries.size());
  case op::keys:
  case op::items:
    return all_entries(o, a.what == op::items);
  case op::clear:
    o.entries.clear();
    return yes_or_no(true);
  default:
    return not_offered();
  }
}

manager_message take_item(stored_object& o, std::size_t index) {
  if (index >= o.items.size())
    return yes_or_no(false);
  auto item = std::move(o.items[index]);
  o.items.erase(o.items.begin() + static_cast<std::ptrdiff_t>(index));
  return yes(std::move(item));
}

manager_message insert_item(stored_object& o, std::size_t index, std::string item) {
  if (index > o.items.size())
    return yes_or_no(false);
  o.items.insert(o.items.begin() + static_cast<std::ptrdiff_t>(index), std::move(item));
  return yes_or_no(true);
}

manager_message serve_list(stored_object& o, asked a) {
  const auto index = static_cast<std::size_t>(a.number); // below zero: beyond any end
  switch (a.what) {
  case op::push:
    o.items.push_back(std::move(a.first));
    return yes_or_no(true);
  case op::at:
    return index < o.items.size() ? yes(o.items[index]) : yes_or_no(false);
  case op::assign:
    if (index >= o.items.size())
      return yes_or_no(false);
    o.items[index] = std::move(a.first);
    return yes_or_no(true);
  case op::insert_at:
    return insert_item(o, index, std::move(a.first));
  case op::take_at:
    return take_item(o, index);
  case op::pop:
    return take_item(o, o.items.size() - 1); // of an empty one: beyond any end
  case op::size:
    return number_of(o.items.size());
  case op::items:
    return answer_of(manager_status::ok, 0, {o.items.begin(), o.items.end()});
  case op::clear:
    o.items.clear();
    return yes_or_no(true);
  default:
    return not_offered();
  }
}

manager_message serve_counter(stored_object& o, const asked& a) {
  switch (a.what) {
  case op::add:
    o.number += static_cast<std::uint64_t>(a.number);
    return number_of(o.number);
  case op::load:
    return number_of(o.number);
  case op::store:
    o.number = static_cast<std::uint64_t>(a.number);
    return number_of(o.number);
  default:
    return not_offered();
  }
}

/// False: the time of the request is over, or its client is.
template <class Claim>
bool wait_until(stored_object& o, std::unique_lock<std::mutex>& lock, const asked& a,
                const is_gone& gone, Claim claim) {
  const auto deadline = a.number < 0 ? detail::time_point::max()
                                     : detail::deadline_after(std::chrono::nanoseconds{a.number});
  while (!claim()) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline)
      return false;
    o.changed.wait_until(lock, std::min(deadline, now + between_looks));
    if (gone())
      return false;
  }
  return true;
}

manager_message put_item(stored_object& o, std::unique_lock<std::mutex>& lock, asked a,
                         const is_gone& gone) {
  const auto room = [&] { return o.closed || o.capacity == 0 || o.items.size() < o.capacity; };
  const bool fits = wait_until(o, lock, a, gone, room);
  if (o.closed)
    return answer_of(manager_status::closed);
  if (!fits)
    return yes_or_no(false);
  o.items.push_back(std::move(a.first));
  ++o.unfinished;
  o.changed.notify_all();
  return yes_or_no(true);
}

// What was handed out may come back: until then a closed queue is not at its end.
manager_message get_item(stored_object& o, std::unique_lock<std::mutex>& lock, const asked& a,
                         const is_gone& gone) {
  const auto over = [&] { return !o.items.empty() || (o.closed && o.handed == 0); };
  if (!wait_until(o, lock, a, gone, over))
    return yes_or_no(false);
  if (o.items.empty())
    return answer_of(manager_status::closed);
  auto item = std::move(o.items.front());
  o.items.pop_front();
  ++o.handed;
  o.changed.notify_all();
  return yes(std::move(item));
}

manager_message mark_done(stored_object& o) {
  if (o.unfinished == 0)
    return refusal("task_done() was said more often than items were put");
  --o.unfinished;
  o.changed.notify_all();
  return yes_or_no(true);
}

manager_message serve_queue(stored_object& o, std::unique_lock<std::mutex>& lock, asked a,
                            const is_gone& gone) {
  switch (a.what) {
  case op::queue_put:
    return put_item(o, lock, std::move(a), gone);
  case op::queue_get:
    return get_item(o, lock, a, gone);
  case op::queue_close:
    o.closed = true;
    o.changed.notify_all();
    return yes_or_no(true);
  case op::queue_done:
    return mark_done(o);
  case op::queue_join:
    return yes_or_no(wait_until(o, lock, a, gone, [&] { return o.unfinished == 0; }));
  case op::size:
    return number_of(o.items.size());
  default:
    return not_offered();
  }
}

} // namespace

manager_message serve(stored_object& object, const detail::manager_message& request,
                      const is_gone& gone) {
  std::unique_lock lock{object.mutex};
  asked a{request};
  switch (object.kind) {
  case managed_kind::dict:
  case managed_kind::set:
  case managed_kind::name_space:
    return serve_entries(object, std::move(a));
  case managed_kind::list:
    return serve_list(object, std::move(a));
  case managed_kind::counter:
    return serve_counter(object, a);
  case managed_kind::queue:
    return serve_queue(object, lock, std::move(a), gone);
  }
  return not_offered();
}

void item_arrived(stored_object& queue) {
  const std::lock_guard lock{queue.mutex};
  --queue.handed;
  queue.changed.notify_all();
}

void item_came_back(stored_object& queue, std::string item) {
  const std::lock_guard lock{queue.mutex};
  --queue.handed;
  queue.items.push_front(std::move(item));
  queue.changed.notify_all();
}

} // namespace bulkhead::runtime
