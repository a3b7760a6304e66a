#pragma once

#include <bulkhead/code_trace.hpp>

#include <memory>
#include <type_traits>

namespace bulkhead::runtime {

/// Calls f(argument), and notes for this thread where an exception that leaves it was thrown. Costs
/// nothing where none does.
void call_noting_throw(void (*f)(void*), void* argument);

/// The same for anything that can be called.
template <class F>
void noting_throw(F&& f) {
  using function = std::remove_reference_t<F>;
  call_noting_throw([](void* what) { (*static_cast<function*>(what))(); },
                    const_cast<std::remove_const_t<function>*>(std::addressof(f)));
}

/// Where that was, of the last one in this thread. Empty where there is no memory for it.
code_trace noted_throw() noexcept;

} // namespace bulkhead::runtime
