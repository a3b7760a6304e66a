#include "runtime/forkserver/process_entry.hpp"

#include "runtime/code/shipped_call.hpp"
#include "runtime/process/watch_thread.hpp"

#include <bulkhead/detail/type_name.hpp>

#include <cxxabi.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <typeinfo>

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

// In a handler of the exception.
void print_exception(const std::string& name, const char* text) {
  const auto* type = abi::__cxa_current_exception_type();
  const auto type_text = type == nullptr ? "an exception" : detail::type_name(*type);
  std::fprintf(stderr, "bulkhead: process %s (pid %d) ended by %s: %s\n", name.c_str(), ::getpid(),
               type_text.c_str(), text);
}

} // namespace

std::vector<std::byte> process_start(std::string_view name, const callable& call) {
  const auto plain = name.substr(0, name.find('\0'));
  std::vector<std::byte> bytes(plain.size() + 1);
  std::ranges::transform(plain, bytes.begin(),
                         [](char letter) { return static_cast<std::byte>(letter); });
  const auto encoded = encode_call(call);
  bytes.insert(bytes.end(), encoded.begin(), encoded.end());
  return bytes;
}

void process_entry(worker_start& worker) {
  auto bytes = worker.start;
  const auto name = take_name(bytes);
  ::prctl(PR_SET_NAME, name.c_str());
  worker.exit_code = 1;
  try {
    start_watch_thread(worker.control.get(), worker.host.get(), nullptr, {});
    run_call(bytes);
    worker.exit_code = 0;
  } catch (const std::exception& e) {
    print_exception(name, e.what());
  } catch (...) {
    print_exception(name, "not a std::exception");
  }
}

} // namespace bulkhead::runtime
