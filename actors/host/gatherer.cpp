#include "actors/host/gatherer.hpp"

#include "actors/caf/failure_error.hpp"
#include "actors/host/thrown_text.hpp"

#include <algorithm>

// One request to several instances, and its one answer. The answers come in the threads that read
// the instances' links, so they are counted under the mutex; the answer leaves without it, because
// the user's join function runs then.
namespace bulkhead::actors {

namespace {

bool is_error(const caf::message& msg) { return msg.match_elements<caf::error>(); }

caf::message error_message(const std::string& text) {
  failure f;
  f.kind = failure_kind::task_exception;
  f.message = text;
  return caf::make_message(to_error(f));
}

} // namespace

gatherer::gatherer(caf::actor_config& config, caf::strong_actor_ptr requester, caf::message_id mid,
                   std::size_t parts, const distribution& how)
  : proxy_base(config), requester_(std::move(requester)), mid_(mid), how_(how), answers_(parts),
    has_(parts), left_(parts) {}

caf::message_id gatherer::part_id(std::size_t part) { return request_mid(part + 1); }

// An instance may also write to the one whose request it works on.
void gatherer::on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) {
  if (!mid.is_response()) {
    if (requester_)
      deliver(requester_, std::move(sender), mid, std::move(msg), nullptr);
    return;
  }
  const auto part = mid.request_id().integer_value() - 1;
  caf::message answer;
  {
    const std::lock_guard lock{mutex_};
    // The number of a part comes from the answer of a worker: it may be any, and may come twice.
    if (done_ || part >= answers_.size() || has_[part])
      return;
    has_[part] = true;
    --left_;
    answers_[part] = msg;
    const bool early = how_.how == distribution::kind::first_answer && !is_error(msg);
    if (!early && left_ != 0)
      return;
    done_ = true;
    if (early)
      answer = std::move(msg);
  }
  // Nobody changes the answers any more.
  finish(left_ == 0 || answer.empty() ? joined(answers_) : std::move(answer));
}

caf::message gatherer::joined(const std::vector<caf::message>& all) const {
  const auto bad = std::find_if(all.begin(), all.end(), is_error);
  if (how_.how == distribution::kind::first_answer) {
    const auto good = std::find_if_not(all.begin(), all.end(), is_error);
    return good != all.end() ? *good : *bad;
  }
  if (bad != all.end())
    return *bad;
  if (how_.how != distribution::kind::scatter_gather)
    return all.front();
  try {
    return how_.join(all);
  } catch (...) {
    return error_message("the join function of the distribution threw " + thrown_text());
  }
}

void gatherer::finish(caf::message answer) {
  if (requester_ && mid_.is_request())
    deliver(requester_, caf::strong_actor_ptr{ctrl()}, mid_.response_id(), std::move(answer),
            nullptr);
}

} // namespace bulkhead::actors
