#include "runtime/dispatch/unit.hpp"

#include <cassert>
#include <cstring>

// Cutting units. A body is the callable and then the items, one behind the other; a part gets a
// copy of the callable and of its items, since both parts travel and end independently.
namespace bulkhead::runtime {

namespace {

std::size_t skip_items(const unit& u, std::size_t at, std::uint32_t items) noexcept {
  if (u.item_bytes != detail::varying_bytes)
    return at + std::size_t{u.item_bytes} * items;
  // These lengths are the host's own and need no check.
  for (std::uint32_t i = 0; i < items; ++i) {
    std::uint32_t length = 0;
    std::memcpy(&length, u.body.data() + at, sizeof length);
    at += sizeof length + length;
  }
  return at;
}

} // namespace

// A callable of the size of a function_ref that is none names no function that anybody finds.
detail::called what_calls(const unit& u) noexcept {
  detail::called what;
  what.stub = u.stub;
  if (u.callable_bytes == sizeof what.function)
    std::memcpy(&what.function, u.body.data(), sizeof what.function);
  return what;
}

std::unique_ptr<unit> slice(const unit& u, std::uint32_t first, std::uint32_t count) {
  assert(count > 0 && first + count <= u.items);
  auto part = std::make_unique<unit>();
  const auto from = skip_items(u, u.callable_bytes, first);
  const auto to = skip_items(u, from, count); // the body may hold more: what was split off
  part->body.reserve(u.callable_bytes + to - from);
  part->body.append(u.body.data(), u.callable_bytes);
  part->body.append(u.body.data() + from, to - from);
  part->body.attach_all(u.body.descriptors());
  part->stub = u.stub;
  part->loop = u.loop;
  part->callable_bytes = u.callable_bytes;
  part->item_bytes = u.item_bytes;
  part->result_bytes = u.result_bytes;
  part->items = count;
  part->first_item = u.first_item + first;
  part->sink = u.sink;
  part->options = u.options;
  part->id = u.id + first;
  part->attempt = u.attempt;
  part->losses = u.losses;
  part->deadline = u.deadline;
  part->queued = u.queued;
  part->gathers = u.gathers;
  part->pinned_worker = u.pinned_worker;
  return part;
}

std::unique_ptr<unit> split(unit& u, std::uint32_t first) {
  assert(first > 0 && first < u.items);
  auto rest = slice(u, first, u.items - first);
  rest->cancel_wanted = u.cancel_wanted;
  rest->expired = u.expired;
  u.items = first; // the bytes stay: a frame may still point into them
  return rest;
}

unit_list::~unit_list() {
  // One by one: the units hold each other by plain pointers, and the list alone owns them.
  while (!empty())
    pop_front();
}

void unit_list::push_back(std::unique_ptr<unit> u) noexcept {
  auto* raw = u.release();
  raw->previous = last_;
  raw->following = nullptr;
  (last_ != nullptr ? last_->following : first_) = raw;
  last_ = raw;
}

void unit_list::push_front(std::unique_ptr<unit> u) noexcept {
  auto* raw = u.release();
  raw->previous = nullptr;
  raw->following = first_;
  (first_ != nullptr ? first_->previous : last_) = raw;
  first_ = raw;
}

void unit_list::insert_behind(unit& before, std::unique_ptr<unit> u) noexcept {
  auto* raw = u.release();
  raw->previous = &before;
  raw->following = before.following;
  (before.following != nullptr ? before.following->previous : last_) = raw;
  before.following = raw;
}

std::unique_ptr<unit> unit_list::remove(unit& u) noexcept {
  (u.previous != nullptr ? u.previous->following : first_) = u.following;
  (u.following != nullptr ? u.following->previous : last_) = u.previous;
  u.previous = u.following = nullptr;
  return std::unique_ptr<unit>{&u};
}

} // namespace bulkhead::runtime
