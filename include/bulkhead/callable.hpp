#pragma once

#include <bulkhead/detail/ship.hpp>

#include <memory>
#include <utility>

namespace bulkhead {

/// A shippable callable together with its arguments, erased: what `pool_options::initializer` and
/// `finalizer` hold. Empty by default. Copies share the encoded bytes.
class callable {
public:
  callable() noexcept = default;

  /// From any shippable callable that takes no arguments.
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, callable> && std::is_invocable_v<F&>)
  callable(F&& f) : callable(bind, std::forward<F>(f)) {}

  explicit operator bool() const noexcept { return shipped_ != nullptr; }

  /// What travels: the typed stub, the callable's bytes and its arguments' bytes.
  struct shipped {
    detail::function_ref stub;
    detail::buffer function;
    detail::buffer args;
  };
  const shipped* content() const noexcept { return shipped_.get(); }

private:
  struct bind_t {};
  static constexpr bind_t bind{};

  template <class F, class... Args>
  callable(bind_t, F&& f, const Args&... args) {
    auto content = std::make_shared<shipped>();
    content->stub = detail::stub_ref<std::decay_t<F>, Args...>();
    detail::encode_callable(content->function, f);
    detail::encode_args(content->args, args...);
    shipped_ = std::move(content);
  }

  template <class F, class... Args>
  friend callable call(F&& f, const Args&... args);

  std::shared_ptr<const shipped> shipped_;
};

/// Binds arguments to a shippable callable: `options.initializer = bulkhead::call(setup, "x", 3)`.
template <class F, class... Args>
callable call(F&& f, const Args&... args) {
  return callable(callable::bind, std::forward<F>(f), args...);
}

} // namespace bulkhead
