#include "runtime/code/shipped_call.hpp"

#include <bulkhead/error.hpp>

#include <cstdint>
#include <cstring>

namespace bulkhead::runtime {

namespace {

struct call_head {
  detail::function_ref stub;
  std::uint64_t function_bytes;
};

} // namespace

std::vector<std::byte> encode_call(const callable& call) {
  if (!call)
    throw codec_error("an empty callable cannot be called");
  const auto& content = *call.content();
  const call_head head{content.stub, content.function.size()};
  detail::buffer out;
  out.append(&head, sizeof head);
  out.append(content.function.data(), content.function.size());
  out.append(content.args.data(), content.args.size());
  return {out.data(), out.data() + out.size()};
}

detail::buffer run_call(std::span<const std::byte> bytes,
                        const detail::descriptor_list* descriptors) {
  call_head head{};
  if (bytes.size() < sizeof head)
    throw codec_error("the bytes of a call are cut short");
  std::memcpy(&head, bytes.data(), sizeof head);
  bytes = bytes.subspan(sizeof head);
  if (head.function_bytes > bytes.size())
    throw codec_error("the bytes of a call are cut short");
  // No budget: these bytes were made by the host, for a process that it has made.
  const auto of_the_host = detail::reader_limits::trusted();
  detail::reader function{bytes.first(head.function_bytes), of_the_host};
  detail::reader args{bytes.subspan(head.function_bytes), of_the_host};
  function.bring(descriptors);
  args.bring(descriptors);
  detail::buffer result;
  detail::stub_at(head.stub)(function, args, result);
  return result;
}

void add_descriptors(detail::descriptor_list& to, const callable& call) {
  if (!call)
    return;
  for (const auto* part : {&call.content()->function, &call.content()->args})
    if (part->descriptors() != nullptr)
      to.add_all(*part->descriptors());
}

} // namespace bulkhead::runtime
