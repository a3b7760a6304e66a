// A job's configuration: text, schema, reading, contradictions. Behind NUL bytes follow settings
// as --set takes them. Looks at no other file and loads no library.
#include "tests/fuzz/require.hpp"
#include "tools/config/check_schema.hpp"
#include "tools/config/checks.hpp"
#include "tools/config/load_job.hpp"
#include "tools/config/read_job.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>

using namespace bulkhead;
using namespace bulkhead::config;

namespace {

/// The file of all jobs, in memory.
std::string file_with(std::string_view text) {
  static const int fd = ::memfd_create("job", MFD_CLOEXEC);
  require(::ftruncate(fd, 0) == 0);
  require(::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  return "/proc/self/fd/" + std::to_string(fd);
}

request make_request(std::string_view input) {
  const auto end = input.find('\0');
  request wanted;
  wanted.file = file_with(input.substr(0, end));
  while (input.find('\0') != std::string_view::npos) {
    input.remove_prefix(input.find('\0') + 1);
    wanted.settings.emplace_back(input.substr(0, input.find('\0')));
  }
  return wanted;
}

void check(document& read, const request& wanted, problems& found) {
  check_schema(read, found);
  const auto made = read_job(read, wanted.file.parent_path(), found);
  check_contradictions(read, made, found);
  check_capacity(read, made.pool, found);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto wanted = make_request({reinterpret_cast<const char*>(data), size});
  problems found;
  auto read = read_document(wanted, found);
  require(read || !found.none());
  if (read)
    check(*read, wanted, found);
  for (const auto& p : found.all())
    require(!p.what.empty() && !p.expected.empty() && !p.remedy.empty());
  require(is_printable(found.render()));
  return 0;
}
