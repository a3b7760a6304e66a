// The flight recorder of a dead worker, filled with anything: the report is printable and bounded.
#include "runtime/code/module_scan.hpp"
#include "runtime/crash/crash_report.hpp"
#include "runtime/outcome/failure_wire.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>

using namespace bulkhead;
using namespace bulkhead::runtime;

namespace {

/// Random ids name no module: small ones are taken as numbers of modules that exist.
void name_modules(flight_recorder& record) {
  static const auto modules = scan_modules();
  for (auto& id : record.modules)
    if (id != 0 && id <= modules.size())
      id = modules[id - 1].id;
}

constexpr std::size_t most_text = max_text_bytes + 64; // marks where it was cut

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto record = std::make_unique<flight_recorder>();
  std::memcpy(static_cast<void*>(record.get()), data, std::min(size, sizeof *record));
  name_modules(*record);
  const auto report = read_crash(*record);
  require(report.signal >= 0 && report.signal <= 64);
  require(is_printable(report.log) && report.log.size() <= most_text);
  require(is_printable(report.backtrace) && report.backtrace.size() <= most_text);
  require(!report.stack_overflow || report.signal != 0);
  return 0;
}
