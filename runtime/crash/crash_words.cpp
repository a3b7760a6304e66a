#include "runtime/crash/crash_words.hpp"

#include "runtime/sandbox/violation_text.hpp"

namespace bulkhead::runtime {

crash_words tell_crash(failure& f, const crash_report& crash) {
  f.backtrace = crash.backtrace;
  f.last_output = crash.log;
  crash_words words;
  if (crash.stack_overflow)
    words.how = " (stack overflow)";
  if (f.exit.cause == exit_cause::policy_violation) {
    const auto& call = crash.call;
    f.violation = call ? sandbox::violation_of(call->number, call->arguments, call->target)
                       : policy_violation{};
    words.why = ": " + sandbox::violation_text(*f.violation);
  }
  return words;
}

} // namespace bulkhead::runtime
