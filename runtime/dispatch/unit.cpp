#include "runtime/dispatch/unit.hpp"

#include <cassert>
#include <cstring>

namespace bulkhead::runtime {

std::size_t item_offset(const unit& u, std::uint32_t item) noexcept {
  std::size_t at = u.callable_bytes;
  for (std::uint32_t i = 0; i < item; ++i) {
    std::uint32_t length = 0;
    std::memcpy(&length, u.body.data() + at, sizeof length);
    at += sizeof length + length;
  }
  return at;
}

std::unique_ptr<unit> split(unit& u, std::uint32_t first) {
  assert(first > 0 && first < u.items);
  auto rest = std::make_unique<unit>();
  const auto at = item_offset(u, first);
  rest->body.reserve(u.callable_bytes + u.body.size() - at);
  rest->body.append(u.body.data(), u.callable_bytes);
  rest->body.append(u.body.data() + at, u.body.size() - at);
  rest->stub = u.stub;
  rest->callable_bytes = u.callable_bytes;
  rest->items = u.items - first;
  rest->first_item = u.first_item + first;
  rest->sink = u.sink;
  rest->options = u.options;
  rest->id = u.id + first;
  rest->attempt = u.attempt;
  rest->deadline = u.deadline;
  rest->cancel_wanted = u.cancel_wanted;
  rest->expired = u.expired;
  rest->pinned_worker = u.pinned_worker;
  u.items = first; // the bytes stay: a frame may still point into them
  return rest;
}

unit_list::~unit_list() {
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

std::unique_ptr<unit> unit_list::remove(unit& u) noexcept {
  (u.previous != nullptr ? u.previous->following : first_) = u.following;
  (u.following != nullptr ? u.following->previous : last_) = u.previous;
  u.previous = u.following = nullptr;
  return std::unique_ptr<unit>{&u};
}

} // namespace bulkhead::runtime
