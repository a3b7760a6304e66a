#include "actors/caf/v0_17/guarded_reader.hpp"

#include <caf/detail/ieee_754.hpp>
#include <caf/detail/network_order.hpp>
#include <caf/error.hpp>
#include <caf/sec.hpp>

#include <cstring>
#include <sstream>
#include <type_traits>

namespace bulkhead::actors {

void guarded_reader::redirect(std::span<const std::byte> home, std::span<const std::byte> away,
                              const std::set<std::size_t>& plain) {
  home_ = home;
  away_ = away;
  plain_ = &plain;
}

void guarded_reader::asked_for() {
  shown_ = false;
  asked_.insert(actor_);
}

std::optional<std::size_t> guarded_reader::mistaken() {
  if (shown_ && !mistaken_)
    mistaken_ = node_at_ - sizeof actor_;
  return mistaken_;
}

// A message inside an error inside a message: each level is an object.
caf::error guarded_reader::begin_object(std::uint16_t& number, std::string& name) {
  if (++depth_ > deepest)
    return make_error(caf::sec::invalid_argument, "nested too deeply");
  if (auto err = apply(number))
    return err;
  return number != 0 ? caf::error{} : apply(name);
}

caf::error guarded_reader::end_object() {
  --depth_;
  return caf::none;
}

// The size is coded in groups of seven bits, the lowest first.
caf::error guarded_reader::size_of_sequence(std::size_t& size) {
  std::uint32_t value = 0;
  std::uint8_t group = 0;
  unsigned shift = 0;
  do {
    if (shift > 28)
      return caf::sec::invalid_argument;
    if (auto err = apply_impl(group))
      return err;
    value |= static_cast<std::uint32_t>(group & 0x7F) << shift;
    shift += 7;
  } while ((group & 0x80) != 0);
  size = value;
  return caf::none;
}

caf::error guarded_reader::begin_sequence(std::size_t& size) {
  if (auto err = size_of_sequence(size))
    return err;
  // One budget for the whole message: nested lists would each stay below a bound of their own.
  if (size > elements_)
    return make_error(caf::sec::invalid_argument, "more elements than the message can hold");
  elements_ -= size;
  return caf::none;
}

caf::error guarded_reader::end_sequence() { return caf::none; }

caf::error guarded_reader::apply_raw(std::size_t size, void* data) {
  if (size > remaining())
    return caf::sec::end_of_stream;
  const bool inside = node_at_ != 0 && at_ >= node_at_ && at_ + size <= node_at_ + away_.size();
  if (shown_ && !inside) { // CAF asks for a handle right behind its node id
    mistaken();
    shown_ = false;
  }
  if (size != 0)
    std::memcpy(data, inside ? &away_[at_ - node_at_] : &in_[at_], size);
  at_ += size;
  return caf::none;
}

bool guarded_reader::looks_like_handle() const {
  const auto node = at_ + sizeof actor_;
  return !home_.empty() && node + home_.size() <= in_.size() && !plain_->contains(at_)
         && std::memcmp(&in_[node], home_.data(), home_.size()) == 0;
}

template <class T>
caf::error guarded_reader::integer(T& x) {
  std::make_unsigned_t<T> raw{};
  if (auto err = apply_raw(sizeof raw, &raw))
    return err;
  x = static_cast<T>(caf::detail::from_network_order(raw));
  return caf::none;
}

template <class T>
caf::error guarded_reader::floating(T& x) {
  typename caf::detail::ieee_754_trait<T>::packed_type packed{};
  if (auto err = integer(packed))
    return err;
  x = caf::detail::unpack754(packed);
  return caf::none;
}

// The standard does not guarantee that its wide characters have exactly the bits of their names.
template <class T>
caf::error guarded_reader::text(T& x) {
  using unit = std::conditional_t<std::is_same_v<T, std::u16string>, std::uint16_t, std::uint32_t>;
  std::size_t size = 0;
  if (auto err = size_of_sequence(size))
    return err;
  if (size > remaining() / sizeof(unit))
    return caf::sec::end_of_stream;
  x.clear();
  for (std::size_t i = 0; i < size; ++i) {
    unit c = 0;
    if (auto err = integer(c))
      return err;
    x.push_back(static_cast<typename T::value_type>(c));
  }
  return caf::none;
}

caf::error guarded_reader::apply_impl(std::int8_t& x) { return apply_raw(sizeof x, &x); }
caf::error guarded_reader::apply_impl(std::uint8_t& x) { return apply_raw(sizeof x, &x); }
caf::error guarded_reader::apply_impl(std::int16_t& x) { return integer(x); }
caf::error guarded_reader::apply_impl(std::uint16_t& x) { return integer(x); }
caf::error guarded_reader::apply_impl(std::int32_t& x) { return integer(x); }
caf::error guarded_reader::apply_impl(std::uint32_t& x) { return integer(x); }
caf::error guarded_reader::apply_impl(std::int64_t& x) { return integer(x); }

// The actor id of a handle, perhaps: its node id comes next.
caf::error guarded_reader::apply_impl(std::uint64_t& x) {
  const bool handle = looks_like_handle();
  if (auto err = integer(x))
    return err;
  if (!handle)
    return caf::none;
  node_at_ = at_;
  actor_ = x;
  shown_ = !asked_.contains(x);
  return caf::none;
}

caf::error guarded_reader::apply_impl(float& x) { return floating(x); }
caf::error guarded_reader::apply_impl(double& x) { return floating(x); }

// CAF writes it as text.
caf::error guarded_reader::apply_impl(long double& x) {
  std::string digits;
  if (auto err = apply_impl(digits))
    return err;
  std::istringstream{digits} >> x;
  return caf::none;
}

caf::error guarded_reader::apply_impl(std::string& x) {
  std::size_t size = 0;
  if (auto err = size_of_sequence(size))
    return err;
  if (size > remaining())
    return caf::sec::end_of_stream;
  x.resize(size);
  return apply_raw(size, x.data());
}

caf::error guarded_reader::apply_impl(std::u16string& x) { return text(x); }
caf::error guarded_reader::apply_impl(std::u32string& x) { return text(x); }

} // namespace bulkhead::actors
