#include <bulkhead/detail/descriptor_list.hpp>
#include <bulkhead/error.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>

namespace bulkhead::detail {

namespace {

std::uint64_t next_key() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1; // only distinct numbers are wanted
}

} // namespace

open_descriptor::open_descriptor(int fd) noexcept : fd_(fd), key_(next_key()) {}

open_descriptor::~open_descriptor() {
  if (fd_ >= 0)
    ::close(fd_);
}

void descriptor_list::add(const shared_descriptor& d) { add_entry({d->key(), d}); }

void descriptor_list::add_all(const descriptor_list& others) {
  for (const auto& each : others.entries_)
    add_entry(each);
}

void descriptor_list::add_entry(const entry& e) {
  if (find(e.key))
    return;
  if (entries_.size() == most)
    throw codec_error("a message carries at most " + std::to_string(most)
                      + " different open descriptors (each pipe, queue, lock or shared memory has "
                        "one or two); send fewer at once");
  entries_.push_back(e);
}

shared_descriptor descriptor_list::find(std::uint64_t key) const noexcept {
  const auto found = std::ranges::find(entries_, key, &entry::key);
  return found == entries_.end() ? nullptr : found->what;
}

std::vector<std::uint64_t> descriptor_list::keys() const {
  std::vector<std::uint64_t> all(entries_.size());
  std::ranges::transform(entries_, all.begin(), &entry::key);
  return all;
}

std::vector<int> descriptor_list::fds() const {
  std::vector<int> all(entries_.size());
  std::ranges::transform(entries_, all.begin(), [](const entry& e) { return e.what->fd(); });
  return all;
}

} // namespace bulkhead::detail
