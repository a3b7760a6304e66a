// The behaviours of a bank: accounts, a teller who moves money between them, an auditor. There is
// no program: bank.json says who runs where, who restarts whom, and what happens.
#include <bulkhead/keep_state.hpp>
#include <bulkhead/message.hpp>

#include <caf/all.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

using amount = std::int64_t;
using transfer_id = std::int64_t;

/// put: a transfer with its number, which counts once however often it comes.
using account = caf::typed_actor<caf::replies_to<caf::get_atom>::with<amount>,
                                 caf::replies_to<caf::put_atom, transfer_id, amount>::with<amount>>;

struct account_state {
  amount balance = 0;
  std::set<transfer_id> done;

  std::string text() const {
    std::ostringstream out;
    out << balance;
    for (const auto id : done)
      out << ' ' << id;
    return out.str();
  }
  void read(const std::string& text) {
    std::istringstream in(text);
    in >> balance;
    for (transfer_id id = 0; in >> id;)
      done.insert(id);
  }
};

/// `last` is the opening balance, and in later incarnations the last snapshot. A transfer is
/// answered when the host holds a snapshot with it.
account::behavior_type account_book(account::stateful_pointer<account_state> self,
                                    const std::string& last) {
  self->state.read(last);
  return {
    [self](caf::get_atom) { return self->state.balance; },
    [self](caf::put_atom, transfer_id id, amount change) -> caf::result<amount> {
      auto& book = self->state;
      const bool is_new = !book.done.contains(id);
      if (is_new && book.balance + change < 0)
        return caf::make_error(caf::sec::invalid_argument, "the account would be overdrawn");
      if (is_new) {
        book.done.insert(id);
        book.balance += change;
      }
      auto promise = self->make_response_promise<amount>();
      bulkhead::keep_state(self, book.text())
        .then([promise, balance = book.balance]() mutable { promise.deliver(balance); },
              [promise](const caf::error& e) mutable { promise.deliver(e); });
      return promise;
    },
  };
}

using teller = caf::typed_actor<
  caf::replies_to<std::string, std::string, transfer_id, amount>::with<std::string>>;

/// Takes from one account, then gives to the other. What fails in between is done by the next
/// attempt with the same number: each account knows what it has done.
struct teller_job {
  teller::pointer self;
  caf::typed_response_promise<std::string> promise;
  transfer_id id = 0;
  amount sum = 0;

  void put(const std::string& name, amount change, const std::function<void()>& next) {
    auto failed = [job = *this](const caf::error& e) mutable { job.promise.deliver(e); };
    bulkhead::whereis(self, name)
      .then(
        [job = *this, change, next, failed](const caf::actor& whom) mutable {
          job.self->request(whom, std::chrono::seconds{5}, caf::put_atom_v, job.id, change)
            .then([next](amount) { next(); }, failed);
        },
        failed);
  }
};

teller::behavior_type transfers(teller::pointer self) {
  return {
    [self](const std::string& from, const std::string& to, transfer_id id,
           amount sum) -> caf::result<std::string> {
      teller_job job{self, self->make_response_promise<std::string>(), id, sum};
      job.put(from, -sum, [job, to]() mutable {
        job.put(to, job.sum, [job]() mutable { job.promise.deliver(std::string{"done"}); });
      });
      return job.promise;
    },
  };
}

using auditor = caf::typed_actor<caf::replies_to<caf::get_atom>::with<amount>>;

struct auditor_state {
  std::vector<std::string> names;
};

/// Sums up what the accounts say; knows nothing of transfers.
auditor::behavior_type audit(auditor::stateful_pointer<auditor_state> self,
                             const std::vector<std::string>& names) {
  self->state.names = names;
  return {
    [self](caf::get_atom) -> caf::result<amount> {
      auto promise = self->make_response_promise<amount>();
      auto left = std::make_shared<std::size_t>(self->state.names.size());
      auto sum = std::make_shared<amount>(0);
      auto failed = [promise](const caf::error& e) mutable { promise.deliver(e); };
      for (const auto& name : self->state.names)
        bulkhead::whereis(self, name)
          .then(
            [self, promise, left, sum, failed](const caf::actor& whom) mutable {
              self->request(whom, std::chrono::seconds{5}, caf::get_atom_v)
                .then(
                  [promise, left, sum](amount balance) mutable {
                    *sum += balance;
                    if (--*left == 0)
                      promise.deliver(*sum);
                  },
                  failed);
            },
            failed);
      return promise;
    },
  };
}

BULKHEAD_ACTOR("bank.account", account_book)
BULKHEAD_ACTOR("bank.teller", transfers)
BULKHEAD_ACTOR("bank.auditor", audit)

} // namespace
