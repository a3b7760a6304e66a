#include "runtime/audit/look_at_call.hpp"

#include "runtime/outcome/failure_wire.hpp"
#include "runtime/sandbox/address_text.hpp"

#include <fcntl.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace bulkhead::runtime::audit {

namespace fs = std::filesystem;
using sandbox::named_place;
using sandbox::place_use;

namespace {

/// As many bytes as there are, up to so many.
std::size_t copy_from(pid_t thread, std::uint64_t address, std::span<std::byte> to) noexcept {
  const iovec target{to.data(), to.size()};
  const iovec source{reinterpret_cast<void*>(address), to.size()};
  const auto count = ::process_vm_readv(thread, &target, 1, &source, 1, 0);
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

// In pieces that end where a page does: the next one may not be there.
std::string text_from(pid_t thread, std::uint64_t address) {
  constexpr std::uint64_t page = 4096;
  std::string text;
  while (text.size() < PATH_MAX) {
    std::array<char, page> piece{};
    const auto room = page - address % page;
    const auto count =
      copy_from(thread, address, std::as_writable_bytes(std::span{piece}.first(room)));
    const std::string_view got{piece.data(), count};
    text += got.substr(0, got.find('\0'));
    if (count < room || got.find('\0') != std::string_view::npos)
      break;
    address += count;
  }
  return text;
}

struct place {
  std::string path; ///< absolute; empty: it cannot be known
  bool exists = false;
};

// /proc/self of the thread is another one here: it stays as it was written.
fs::path as_own(const fs::path& path, pid_t worker) {
  const auto text = path.lexically_normal().native();
  for (const auto& own : {std::string{"/proc/self"}, std::string{"/proc/thread-self"},
                          "/proc/" + std::to_string(worker)})
    if (text == own || text.starts_with(own + '/'))
      return "/proc/self" + text.substr(own.size());
  return text;
}

place find(const fs::path& path, pid_t worker) {
  const auto own = as_own(path, worker);
  std::error_code failed;
  if (own.native().starts_with("/proc/self")) {
    const auto here = "/proc/" + std::to_string(worker) + own.native().substr(10);
    return {own, fs::exists(here, failed)};
  }
  if (auto real = fs::canonical(own, failed); !failed)
    return {std::move(real), true};
  const auto folder = fs::canonical(own.parent_path(), failed);
  return {failed ? own : folder / own.filename(), false};
}

place place_of(const seccomp_notif& about, const named_place& named, pid_t worker) {
  const auto thread = static_cast<pid_t>(about.pid);
  const auto text = text_from(thread, about.data.args[named.argument]);
  if (text.empty())
    return {};
  if (text.front() == '/')
    return find(text, worker);
  const auto from = named.folder == named_place::none
                      ? AT_FDCWD
                      : static_cast<int>(about.data.args[static_cast<unsigned>(named.folder)]);
  const auto proc = "/proc/" + std::to_string(thread) + '/';
  std::error_code failed;
  const auto folder =
    fs::read_symlink(from == AT_FDCWD ? proc + "cwd" : proc + "fd/" + std::to_string(from), failed);
  return failed ? place{} : find(folder / text, worker);
}

std::uint64_t flags_of(const seccomp_notif& about, const named_place& named) noexcept {
  if (named.more != named_place::none)
    return about.data.args[static_cast<unsigned>(named.more)];
  std::uint64_t flags = 0; // openat2: the first member of a structure
  copy_from(static_cast<pid_t>(about.pid), about.data.args[2],
            std::as_writable_bytes(std::span{&flags, 1}));
  return flags;
}

// An open of what is not there asks for nothing: it fails with or without a policy.
place_use use_of(std::uint64_t flags, bool exists) noexcept {
  constexpr std::uint64_t unnamed = O_TMPFILE & ~O_DIRECTORY;
  if ((flags & O_PATH) != 0 || (!exists && (flags & O_CREAT) == 0))
    return place_use::look;
  if (!exists || (flags & unnamed) != 0)
    return place_use::make;
  return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0 ? place_use::write
                                                                   : place_use::read;
}

void add_address(const seccomp_notif& about, const named_place& named, audited_call& to) {
  std::array<std::byte, 128> bytes{};
  const auto length =
    std::min<std::uint64_t>(bytes.size(), about.data.args[static_cast<unsigned>(named.more)]);
  const auto at = about.data.args[named.argument];
  const auto address = std::span{bytes}.first(
    copy_from(static_cast<pid_t>(about.pid), at, std::span{bytes}.first(length)));
  if (address.empty())
    return;
  to.use = place_use::address;
  to.target = printable(sandbox::address_text(address));
  to.port = sandbox::port_of(address).value_or(0);
}

void add_file(const seccomp_notif& about, const named_place& named, pid_t worker,
              audited_call& to) {
  const auto found = place_of(about, named, worker);
  if (found.path.empty())
    return;
  to.target = printable(found.path);
  to.use = named.use != place_use::open ? named.use : use_of(flags_of(about, named), found.exists);
}

} // namespace

std::vector<audited_call> look_at_call(const seccomp_notif& about, pid_t worker) {
  audited_call plain;
  plain.number = about.data.nr;
  plain.process = static_cast<std::uint32_t>(worker);
  std::copy_n(about.data.args, plain.arguments.size(), plain.arguments.begin());
  std::vector<audited_call> all;
  for (const auto& named : sandbox::named_places) {
    if (named.call != plain.number)
      continue;
    auto& call = all.emplace_back(plain);
    if (named.use == place_use::address)
      add_address(about, named, call);
    else
      add_file(about, named, worker, call);
  }
  if (all.empty())
    all.push_back(plain);
  return all;
}

} // namespace bulkhead::runtime::audit
