#include "runtime/lone_process/process_entry.hpp"

#include "runtime/code/shipped_call.hpp"
#include "runtime/crash/crash_recorder.hpp"
#include "runtime/crash/throw_place.hpp"
#include "runtime/lone_process/process_page.hpp"
#include "runtime/outcome/failure_of.hpp"
#include "runtime/outcome/failure_wire.hpp"
#include "runtime/process/alone.hpp"
#include "runtime/process/watch_thread.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/system/segment.hpp"

#include <bulkhead/detail/codec.hpp>

#include <cxxabi.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>

namespace bulkhead::runtime {

namespace {

// The name is in front, with its terminating zero.
std::string take_name(std::span<const std::byte>& bytes) {
  const auto end = std::ranges::find(bytes, std::byte{0});
  const auto count = static_cast<std::size_t>(end - bytes.begin());
  std::string name{reinterpret_cast<const char*>(bytes.data()), count};
  bytes = bytes.subspan(std::min(count + 1, bytes.size()));
  return name;
}

std::uint64_t take_number(std::span<const std::byte>& bytes) {
  detail::reader in{bytes};
  const auto number = detail::decode<std::uint64_t>(in);
  bytes = bytes.last(in.remaining());
  return number;
}

// The keys come next; the descriptors under them, in the same order, from the launch, behind ours.
std::vector<std::uint64_t> take_keys(std::span<const std::byte>& bytes) {
  detail::reader in{bytes};
  auto keys = detail::decode<std::vector<std::uint64_t>>(in);
  bytes = bytes.last(in.remaining());
  return keys;
}

void print_failure(const std::string& name, const failure& f) {
  std::fprintf(stderr, "bulkhead: process %s (pid %d) ended by %s: %s\n", name.c_str(), ::getpid(),
               f.type.c_str(), f.message.c_str());
}

/// Where the host looks for the end of the function.
class ending {
public:
  ending(process_page& page, int file) : page_(page), file_(file) {}

  /// False: there is no room for so much.
  bool deliver(process_end how, std::span<const std::byte> bytes) noexcept {
    if (!within_file_limit(bytes.size()) || !write(bytes))
      return false;
    page_.bytes.store(bytes.size(), std::memory_order_relaxed); // published by the next store
    page_.end.store(how, std::memory_order_release); // the host reads it after the process's end
    return true;
  }

private:
  bool write(std::span<const std::byte> bytes) const noexcept {
    for (std::size_t done = 0; done < bytes.size();) {
      const auto rest = bytes.subspan(done);
      const auto count = ::pwrite(file_, rest.data(), rest.size(), static_cast<off_t>(done));
      if (count < 0 && errno != EINTR)
        return false;
      done += count > 0 ? static_cast<std::size_t>(count) : 0;
    }
    return true;
  }

  process_page& page_;
  int file_;
};

int fail(const std::string& name, ending& end, const failure& f) {
  print_failure(name, f);
  detail::buffer bytes;
  encode_failure(bytes, f);
  end.deliver(process_end::failure,
              bytes.bytes()); // else stderr and the exit code are all there is
  return 1;
}

int run(const std::string& name, std::span<const std::byte> call,
        const detail::descriptor_list& brought, ending end) {
  try {
    detail::buffer result;
    noting_throw([&] { result = run_call(call, &brought); });
    if (result.size() <= max_process_result && end.deliver(process_end::value, result.bytes()))
      return 0;
    auto f = failure_of(failure_kind::too_large,
                        "the result has " + std::to_string(result.size()) + " bytes; at most "
                          + std::to_string(max_process_result)
                          + " come back, and no more than limits.file_size and memory allow");
    f.may_have_executed = true;
    return fail(name, end, f);
  } catch (abi::__forced_unwind&) {
    // pthread_exit() and cancellation unwind by this exception, and end the process if it is
    // swallowed.
    throw;
  } catch (...) {
    auto f = describe_current_exception();
    f.thrown_at = noted_throw();
    return fail(name, end, f);
  }
}

void take_request(int control) {
  std::byte what{0};
  if (::recv(control, &what, 1, MSG_DONTWAIT) == 1 && what == interrupt_packet)
    stop_request::make();
}

} // namespace

std::vector<std::byte> process_start(std::string_view name, std::uint64_t number,
                                     const callable& call) {
  const auto plain = name.substr(0, name.find('\0'));
  std::vector<std::byte> bytes(plain.size() + 1);
  std::ranges::transform(plain, bytes.begin(),
                         [](char letter) { return static_cast<std::byte>(letter); });
  detail::descriptor_list brought;
  add_descriptors(brought, call);
  detail::buffer keys;
  detail::encode(keys, number);
  detail::encode(keys, brought.keys());
  bytes.insert(bytes.end(), keys.data(), keys.data() + keys.size());
  const auto encoded = encode_call(call);
  bytes.insert(bytes.end(), encoded.begin(), encoded.end());
  return bytes;
}

void process_entry(worker_start& worker) {
  auto bytes = worker.start;
  const auto name = take_name(bytes);
  ::prctl(PR_SET_NAME, name.c_str());
  become_lone({static_cast<std::size_t>(take_number(bytes)), name});
  worker.exit_code = 1;
  try {
    // Never destroyed: exit() in the function runs destructors beside the watch thread.
    static const auto& shared = *new segment{segment::attach(
      std::move(worker.fds.at(0)), process_page_bytes, 0, segment::access::read_write)};
    auto* page = reinterpret_cast<process_page*>(shared.head());
    // Before any code of the user's: also the decoding of its arguments may crash.
    install_crash_recorder(page->recorder);
    stop_request::listen();
    start_watch_thread(worker.control.get(), worker.host.get(), nullptr, {}, take_request);
    const auto brought = take_brought(worker, 2, take_keys(bytes)); // behind page and result
    worker.exit_code = run(name, bytes, brought, {*page, worker.fds.at(1).get()});
  } catch (const std::exception& e) { // of the system: nothing of the user's has run
    std::fprintf(stderr, "bulkhead: process %s cannot start: %s\n", name.c_str(), e.what());
  }
}

} // namespace bulkhead::runtime
