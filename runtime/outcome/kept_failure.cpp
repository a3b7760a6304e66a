#include "runtime/outcome/failure_of.hpp"
#include "runtime/outcome/failure_wire.hpp"

#include <bulkhead/detail/held_state.hpp>
#include <bulkhead/detail/kept_failure.hpp>
#include <bulkhead/error.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <utility>

namespace bulkhead::detail {

struct kept_failure::shared {
  failure what;
  std::atomic<std::uint32_t> copies{1}; ///< not those of no_memory()
};

namespace {

/// Lives until the process ends: futures may outlive static objects.
template <class Shared>
Shared& no_memory() noexcept {
  alignas(Shared) static std::byte place[sizeof(Shared)];
  static auto* const made = [] {
    auto* s = new (place) Shared{};
    s->what.kind = failure_kind::too_large;
    s->what.message = "no host memory"; // 15 characters need no allocation
    s->what.may_have_executed = true;
    return s;
  }();
  return *made;
}

} // namespace

kept_failure::kept_failure(const kept_failure& other) noexcept : there_(other.there_) {
  if (there_ != nullptr)
    there_->copies.fetch_add(1, std::memory_order_relaxed); // `other` keeps it alive meanwhile
}

kept_failure::~kept_failure() {
  if (there_ == nullptr || there_ == &no_memory<shared>())
    return;
  // acq_rel: who deletes it does so after all that the other copies read.
  if (there_->copies.fetch_sub(1, std::memory_order_acq_rel) == 1)
    delete there_;
}

const failure& kept_failure::operator*() const noexcept { return there_->what; }

kept_failure keep(failure&& f) noexcept {
  // An outcome is promised, so it must not depend on memory: without any, all failures share one
  // text.
  auto* own = new (std::nothrow) kept_failure::shared{std::move(f)};
  return kept_failure{own != nullptr ? own : &no_memory<kept_failure::shared>()};
}

failure undecodable_result() noexcept try {
  failure f;
  try {
    throw;
  } catch (const error& e) {
    f = e.info();
    f.kind = failure_kind::codec;
  } catch (const std::bad_alloc&) {
    f.kind = failure_kind::too_large;
    f.message = "the host has no memory for the result";
  } catch (...) {
    const auto thrown = runtime::describe_current_exception();
    f.kind = failure_kind::codec;
    f.type = thrown.type;
    f.message = "the result cannot be decoded: " + thrown.type + ": " + thrown.message;
  }
  f.may_have_executed = true;
  return f;
} catch (const std::bad_alloc&) {
  failure f;
  f.kind = failure_kind::too_large;
  f.message = "no host memory"; // short enough to need none
  f.may_have_executed = true;
  return f;
}

failure thrown_failure() noexcept try {
  try {
    throw;
  } catch (const error& e) {
    return e.info();
  } catch (...) {
    return runtime::describe_current_exception();
  }
} catch (...) { // no memory for the copy
  failure f;
  f.kind = failure_kind::task_exception;
  f.may_have_executed = true;
  return f;
}

failure failure_of(const std::exception_ptr& thrown) noexcept {
  try {
    if (thrown)
      std::rethrow_exception(thrown);
  } catch (...) {
    return thrown_failure();
  }
  return runtime::failure_of(failure_kind::task_exception, "an exception_ptr without an exception");
}

failure abandoned_failure() noexcept {
  return runtime::failure_of(failure_kind::cancelled,
                             "nobody gives this future its outcome any more: its promise or its "
                             "callback was destroyed");
}

} // namespace bulkhead::detail
