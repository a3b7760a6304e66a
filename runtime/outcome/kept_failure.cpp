#include <bulkhead/detail/kept_failure.hpp>

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
  const auto* own = new (std::nothrow) failure(std::move(f));
  return kept_failure{own != nullptr ? own : &no_memory()};
}

} // namespace bulkhead::detail
