#pragma once

#include <caf/deserializer.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>

namespace bulkhead::actors {

/// Reads what CAF's binary serializer wrote, from bytes that another process may have forged.
/// Invariant: nothing is nested deeper than `deepest`, and no more elements are promised than the
/// budget holds, before anything of them is made.
///
/// CAF asks its registry for the handles of this very process, where an actor that has ended is
/// not. So the reader shows CAF such a handle with the node id `away` in the place of `home`, and
/// CAF asks the proxy registry of the decode, which is ours.
class guarded_reader final : public caf::deserializer {
public:
  static constexpr std::size_t deepest = 64;
  /// Elements that a body may promise whatever its size: empty types take no bytes.
  static constexpr std::size_t free_elements = 1 << 16;

  guarded_reader(caf::execution_unit* ctx, std::span<const std::byte> in)
    : deserializer(ctx), in_(in), elements_(free_elements + in.size()) {}

  /// `home`, `away`: encoded node ids of one size. `plain`: offsets of numbers that are followed by
  /// `home` and are no handles all the same.
  void redirect(std::span<const std::byte> home, std::span<const std::byte> away,
                const std::set<std::size_t>& plain);
  /// The handle that was shown last was asked for.
  void asked_for();
  /// Where a number stood that only looked like a handle, so that what was read is wrong; to be
  /// called once, behind the last read.
  std::optional<std::size_t> mistaken();

  std::size_t remaining() const noexcept { return in_.size() - at_; }

  caf::error begin_object(std::uint16_t& number, std::string& name) override;
  caf::error end_object() override;
  caf::error begin_sequence(std::size_t& size) override;
  caf::error end_sequence() override;
  caf::error apply_raw(std::size_t size, void* data) override;

protected:
  caf::error apply_impl(std::int8_t& x) override;
  caf::error apply_impl(std::uint8_t& x) override;
  caf::error apply_impl(std::int16_t& x) override;
  caf::error apply_impl(std::uint16_t& x) override;
  caf::error apply_impl(std::int32_t& x) override;
  caf::error apply_impl(std::uint32_t& x) override;
  caf::error apply_impl(std::int64_t& x) override;
  caf::error apply_impl(std::uint64_t& x) override;
  caf::error apply_impl(float& x) override;
  caf::error apply_impl(double& x) override;
  caf::error apply_impl(long double& x) override;
  caf::error apply_impl(std::string& x) override;
  caf::error apply_impl(std::u16string& x) override;
  caf::error apply_impl(std::u32string& x) override;

private:
  template <class T>
  caf::error integer(T& x);
  template <class T>
  caf::error floating(T& x);
  template <class T>
  caf::error text(T& x);
  caf::error size_of_sequence(std::size_t& size);
  bool looks_like_handle() const;

  const std::span<const std::byte> in_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::size_t elements_;

  std::span<const std::byte> home_;
  std::span<const std::byte> away_;
  const std::set<std::size_t>* plain_ = nullptr;
  std::size_t node_at_ = 0;       ///< where the last handle's node id begins; 0: there was none
  std::uint64_t actor_ = 0;       ///< of the last handle
  bool shown_ = false;            ///< nobody has asked for the last handle yet
  std::set<std::uint64_t> asked_; ///< CAF asks once for each actor
  std::optional<std::size_t> mistaken_;
};

} // namespace bulkhead::actors
