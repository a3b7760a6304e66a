#include "tools/console/print_problems.hpp"

#include "tools/console/call.hpp"
#include "tools/console/write_out.hpp"

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace bulkhead::command {

int print_problems(const config::problems& found, bool as_json) {
  const auto count = found.count();
  write_out(STDERR_FILENO,
            found.render()
              + fmt::format("{} problem{}; nothing was started\n", count, count == 1 ? "" : "s"));
  if (!as_json)
    return wrong_call;
  auto list = nlohmann::json::array();
  for (const auto& p : found.all())
    list.push_back({{"source", p.where.source},
                    {"line", p.where.line},
                    {"column", p.where.column},
                    {"problem", p.what},
                    {"expected", p.expected},
                    {"remedy", p.remedy}});
  const nlohmann::json document{{"exit_status", wrong_call},
                                {"problems", list},
                                {"problems_left_out", count - found.all().size()}};
  write_out(STDOUT_FILENO,
            document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  return wrong_call;
}

} // namespace bulkhead::command
