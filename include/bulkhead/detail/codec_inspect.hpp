#pragma once

#include <bulkhead/detail/coder.hpp>
#include <bulkhead/detail/inspector.hpp>
#include <bulkhead/detail/refusal.hpp>

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

// User types with an `inspect` function: their parts in its order, without names.
namespace bulkhead::detail {

class writing_inspector : public inspector<writing_inspector, false> {
public:
  explicit writing_inspector(buffer& out) : out_(out) {}

  template <class T>
  bool on_value(const T& value) {
    if constexpr (std::is_array_v<T>) {
      for (const auto& each : value)
        on_value(each);
    } else {
      require_encodable<T>();
      coder<T>::write(out_, value);
    }
    return true;
  }
  template <class T>
  bool on_field(std::string_view, const T& value, bool) {
    return on_value(value);
  }

private:
  buffer& out_;
};

class reading_inspector : public inspector<reading_inspector, true> {
public:
  explicit reading_inspector(reader& in) : in_(in) {}

  template <class T>
  bool on_value(T& value) {
    if constexpr (std::is_array_v<T>) {
      for (auto& each : value)
        on_value(each);
    } else {
      require_encodable<T>();
      value = coder<T>::read(in_);
    }
    return true;
  }
  template <class T>
  bool on_field(std::string_view, T& value, bool) {
    return on_value(value);
  }

private:
  reader& in_;
};

/// One level of user types inside user types while they are written: what no reader would accept
/// is refused before it exhausts the stack of the thread that encodes it.
class write_level {
public:
  explicit write_level(const std::type_info& type) {
    if (depth() == reader_limits{}.depth)
      throw_too_deep(type, reader_limits{}.depth);
    ++depth();
  }
  ~write_level() { --depth(); }
  write_level(const write_level&) = delete;
  write_level& operator=(const write_level&) = delete;

private:
  static std::size_t& depth() noexcept {
    thread_local std::size_t levels = 0;
    return levels;
  }
};

/// Has an `inspect` that argument-dependent lookup finds.
template <class T>
concept inspectable =
  std::is_class_v<T> && !raw<T> && requires(writing_inspector& f, T& value) { inspect(f, value); };

template <inspectable T>
struct coder<T> {
  static_assert(std::is_default_constructible_v<T>,
                "bulkhead: a type with inspect() needs a default constructor: a value is made "
                "first and its parts are assigned when it arrives");
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes = 0;

  static void write(buffer& out, const T& value) {
    const write_level inside{typeid(T)};
    writing_inspector f{out};
    // CAF's inspect takes T& for both directions; this inspector does not write to it.
    if (!run_inspect(f, const_cast<T&>(value)))
      throw_unencodable(typeid(T), "its inspect() reports failure");
  }

  static T read(reader& in) {
    const reader::level inside{in, typeid(T)};
    reading_inspector f{in};
    T value{};
    if (!validated("codec.inspect", run_inspect(f, value)))
      throw_undecodable(typeid(T), "its inspect() refuses the content");
    return value;
  }
};

} // namespace bulkhead::detail
