#include "tests/support/evil_worker.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

namespace bulkhead::tests {

using namespace runtime;

namespace {

struct mapping {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};

/// The first mapping of a memfd with this name: head and ring, before the ring's second view.
mapping find_mapping(std::string_view name) {
  mapping found;
  auto* file = std::fopen("/proc/self/maps", "r");
  std::array<char, 512> line;
  while (file != nullptr && std::fgets(line.data(), line.size(), file) != nullptr) {
    if (std::string_view(line.data()).find(name) == std::string_view::npos)
      continue;
    unsigned long begin = 0;
    unsigned long end = 0;
    if (std::sscanf(line.data(), "%lx-%lx", &begin, &end) == 2)
      found = {begin, end};
    break;
  }
  if (file != nullptr)
    std::fclose(file);
  return found;
}

std::string target_of(int fd) {
  std::array<char, 256> text;
  const auto path = "/proc/self/fd/" + std::to_string(fd);
  const auto length = ::readlink(path.c_str(), text.data(), text.size());
  return length < 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(length));
}

} // namespace

evil_worker::evil_worker() {
  const auto own = find_mapping("memfd:bulkhead-worker");
  const auto theirs = find_mapping("memfd:bulkhead-host");
  if (own.begin == 0 || theirs.begin == 0)
    ::_exit(77); // the test sees a worker that exits
  host_ = reinterpret_cast<std::byte*>(theirs.begin);
  page_ = reinterpret_cast<worker_page*>(own.begin);
  ring_ = reinterpret_cast<std::byte*>(own.begin) + page_bytes;
  ring_bytes_ = own.end - own.begin - page_bytes;
}

position evil_worker::own_position() const noexcept { return position_of(page_->claim.load()); }

std::byte* evil_worker::at(std::uint64_t offset) const noexcept {
  return ring_ + (offset & (ring_bytes_ - 1));
}

std::size_t evil_worker::write(answer_header h, std::size_t payload) const noexcept {
  auto* to = at(tail());
  std::memcpy(to, &h, sizeof h);
  std::memset(to + sizeof h, 0xa5, payload);
  return round_up_8(sizeof h + payload);
}

void evil_worker::publish(std::uint64_t new_tail) const noexcept {
  page_->ans_tail.store(new_tail);
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto rung = ::write(eventfd(), &one, sizeof one);
}

void evil_worker::say(answer_kind kind, position where, std::uint64_t value,
                      std::size_t payload) const noexcept {
  answer_header h{};
  h.size = static_cast<std::uint32_t>(round_up_8(sizeof h + payload));
  h.kind = kind;
  h.where = where;
  h.value = value;
  h.bytes = static_cast<std::uint32_t>(payload);
  publish(tail() + write(h, payload));
}

void evil_worker::say(answer_kind kind, position where, std::uint64_t value,
                      std::span<const std::byte> payload) const noexcept {
  answer_header h{};
  h.size = static_cast<std::uint32_t>(round_up_8(sizeof h + payload.size()));
  h.kind = kind;
  h.where = where;
  h.value = value;
  h.bytes = static_cast<std::uint32_t>(payload.size());
  const auto taken = write(h, payload.size());
  std::memcpy(at(tail()) + sizeof h, payload.data(), payload.size());
  publish(tail() + taken);
}

void evil_worker::wait_until_read() const noexcept {
  const auto& head = host_words().ans_head;
  const timespec pause{0, 1'000'000};
  for (int turn = 0; turn < 1000 && head.load() != tail(); ++turn)
    ::nanosleep(&pause, nullptr);
}

std::vector<int> evil_worker::memfds() {
  std::vector<int> all;
  for (int fd = 0; fd < 256; ++fd)
    if (target_of(fd).find("memfd:bulkhead") != std::string::npos)
      all.push_back(fd);
  return all;
}

// A bell does not block; the eventfd that the worker keeps in reserve does.
int evil_worker::eventfd() {
  for (int fd = 0; fd < 256; ++fd)
    if (target_of(fd).find("[eventfd]") != std::string::npos
        && (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0)
      return fd;
  return -1;
}

int evil_worker::control_socket() {
  for (int fd = 0; fd < 256; ++fd)
    if (target_of(fd).starts_with("socket:"))
      return fd;
  return -1;
}

void wait_for_the_end() noexcept {
  for (;;)
    ::pause();
}

} // namespace bulkhead::tests
