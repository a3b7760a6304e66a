#include "runtime/outcome/failure_of.hpp"
#include "runtime/outcome/failure_wire.hpp"

#include <bulkhead/detail/held_state.hpp>
#include <bulkhead/detail/kept_failure.hpp>
#include <bulkhead/error.hpp>

#include <exception>
#include <new>
#include <utility>

namespace bulkhead::detail {

namespace {

/// Lives until the process ends: futures may outlive static objects.
const failure& no_memory() noexcept {
  alignas(failure) static std::byte place[sizeof(failure)];
  static const auto* const made = [] {
    auto* f = new (place) failure{};
    f->kind = failure_kind::too_large;
    f->message = "no host memory"; // 15 characters need no allocation
    f->may_have_executed = true;
    return f;
  }();
  return *made;
}

} // namespace

void failure_deleter::operator()(const failure* f) const noexcept {
  if (f != &no_memory())
    delete f;
}

kept_failure keep(failure&& f) noexcept {
  // An outcome is promised, so it must not depend on memory: without any, all failures share one
  // text.
  const auto* own = new (std::nothrow) failure(std::move(f));
  return kept_failure{own != nullptr ? own : &no_memory()};
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
