#include "tools/job/named_work.hpp"

#include <bulkhead/error.hpp>

#include <cstring>

namespace bulkhead::command {

namespace {

/// Runs `write` and puts the length of what it wrote before it.
template <class Write>
void add_item(detail::work& to, Write write) {
  const auto at = to.body.size();
  to.body.grow(sizeof(std::uint32_t));
  try {
    write(to.body);
    const auto length = to.body.size() - at - sizeof(std::uint32_t);
    if (length > UINT32_MAX)
      throw too_large("the arguments of one task exceed 4 GiB");
    const auto narrow = static_cast<std::uint32_t>(length);
    std::memcpy(to.body.data() + at, &narrow, sizeof narrow);
  } catch (...) {
    to.body.truncate(at);
    throw;
  }
  ++to.items;
}

} // namespace

detail::work named_work(const detail::task_entry& task, std::shared_ptr<detail::task_sink> sink,
                        std::shared_ptr<const task_options> options) {
  detail::work w;
  w.stub = detail::to_ref(reinterpret_cast<const void*>(task.stub));
  task.encode_callable(w.body);
  w.callable_bytes = static_cast<std::uint32_t>(w.body.size());
  w.sink = std::move(sink);
  w.options = std::move(options);
  return w;
}

void add_call(detail::work& to, const detail::task_entry& task,
              std::span<const detail::value> values) {
  add_item(to, [&](detail::buffer& out) { task.encode_values(out, values); });
}

void add_call_on_results(detail::work& to, std::span<const detail::buffer> results) {
  add_item(to, [&](detail::buffer& out) {
    detail::write_count(out, results.size());
    for (const auto& result : results)
      out.append(result.data(), result.size());
  });
}

void add_call_on_bytes(detail::work& to, const detail::buffer& result) {
  add_item(to, [&](detail::buffer& out) { out.append(result.data(), result.size()); });
}

} // namespace bulkhead::command
