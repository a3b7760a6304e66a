#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

// Open descriptors that travel beside the bytes of a message.
namespace bulkhead::detail {

/// One open descriptor that values of this process refer to; closed with the last of them.
/// Immutable, so thread-safe.
class open_descriptor {
public:
  /// Takes the descriptor over.
  explicit open_descriptor(int fd) noexcept;
  open_descriptor(const open_descriptor&) = delete;
  open_descriptor& operator=(const open_descriptor&) = delete;
  ~open_descriptor();

  int fd() const noexcept { return fd_; }
  /// Names it in messages that this process writes; never the same twice.
  std::uint64_t key() const noexcept { return key_; }

private:
  int fd_;
  std::uint64_t key_;
};

using shared_descriptor = std::shared_ptr<const open_descriptor>;

/// The descriptors of one message, each under the key by which its bytes name it. Not thread-safe.
class descriptor_list {
public:
  /// As many as one message carries: the kernel's SCM_MAX_FD less those of a launch.
  static constexpr std::size_t most = 240;

  /// Adds it under its own key, once. Throws codec_error beyond `most`.
  void add(const shared_descriptor& d);
  /// Adds one that came from another process, which named it `key`.
  void add(std::uint64_t key, shared_descriptor d) { entries_.push_back({key, std::move(d)}); }
  /// All of another list too. Throws codec_error beyond `most`.
  void add_all(const descriptor_list& others);

  /// Null where the message brought none of that name.
  shared_descriptor find(std::uint64_t key) const noexcept;

  bool empty() const noexcept { return entries_.empty(); }
  std::size_t size() const noexcept { return entries_.size(); }
  /// In the order in which they travel; `fds` is borrowed from the list.
  std::vector<std::uint64_t> keys() const;
  std::vector<int> fds() const;

private:
  struct entry {
    std::uint64_t key;
    shared_descriptor what;
  };
  void add_entry(const entry& e);

  std::vector<entry> entries_;
};

} // namespace bulkhead::detail
