#include "tools/job/journal.hpp"

#include "tools/config/task_call.hpp"
#include "tools/job/journal_text.hpp"
#include "tools/text/shown.hpp"

#include <bulkhead/error.hpp>

#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

namespace bulkhead::command {

namespace {

constexpr std::int64_t own_kind = 0x62686a31; ///< "bhj1": what `file` sees in the header
constexpr std::int64_t own_version = 1;
constexpr const char* count_tables = "SELECT count(*) FROM sqlite_master";

void set_text(sqlite3_stmt* s, int at, std::string_view text) {
  ::sqlite3_bind_text64(s, at, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

/// What went wrong last, with the system's own words where it was the system.
std::string why(sqlite3* db) {
  const std::string text = ::sqlite3_errmsg(db);
  const int error = ::sqlite3_system_errno(db);
  return error == 0 ? text : text + ": " + std::system_category().message(error);
}

std::string text_at(sqlite3_stmt* s, int column) {
  const auto* text = reinterpret_cast<const char*>(::sqlite3_column_text(s, column));
  return text == nullptr
           ? std::string{}
           : std::string(text, static_cast<std::size_t>(::sqlite3_column_bytes(s, column)));
}

std::string input_text(const json& input) {
  const auto shown = input.is_string() ? config::text_json(input.get<std::string>()) : input;
  return shown.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// Whether it says something of the input; else the task never had its turn.
bool is_final(const completion& c) noexcept {
  if (!c.failed)
    return true;
  switch (c.failed->kind) {
  case failure_kind::cancelled:
  case failure_kind::pool_closed:
  case failure_kind::pool_broken:
  case failure_kind::rejected:
    return false;
  default:
    return true;
  }
}

} // namespace

void journal::close_database::operator()(sqlite3* db) const noexcept { ::sqlite3_close_v2(db); }
void journal::end_statement::operator()(sqlite3_stmt* s) const noexcept { ::sqlite3_finalize(s); }

journal::journal(const config::job& job, const detail::task_entry& task)
  : file_(job.journal), failed_again_(job.resume_failed) {
  open();
  const auto identity = identity_of(job, task);
  if (number(count_tables) == 0)
    make(identity);
  else
    compare(identity);
  find_ = prepare("SELECT input, failure, result FROM outcome WHERE item = ?1");
  put_ = prepare("INSERT OR REPLACE INTO outcome VALUES (?1, ?2, ?3, ?4)");
}

journal::~journal() { flush(); }

void journal::open() {
  sqlite3* db = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int code = ::sqlite3_open_v2(file_.c_str(), &db, flags, nullptr);
  db_.reset(db);
  if (code != SQLITE_OK)
    refuse(code);
  // Alone, so that there is no third file of shared memory, and none who waits.
  expect("PRAGMA locking_mode = EXCLUSIVE");
  const bool own =
    number("PRAGMA application_id") == own_kind && number("PRAGMA user_version") == own_version;
  if (number(count_tables) != 0 && !own)
    refuse(SQLITE_NOTADB);
  // A kill loses nothing that was committed; a power failure loses at most the last commits.
  expect("PRAGMA journal_mode = WAL");
  expect("PRAGMA synchronous = NORMAL");
}

void journal::make(const json& identity) {
  expect("BEGIN EXCLUSIVE");
  expect(fmt::format("PRAGMA application_id = {}", own_kind).c_str());
  expect(fmt::format("PRAGMA user_version = {}", own_version).c_str());
  expect("CREATE TABLE job (member TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID");
  expect("CREATE TABLE outcome (item INTEGER PRIMARY KEY, input TEXT NOT NULL, failure TEXT, "
         "result BLOB)");
  const auto add = prepare("INSERT INTO job VALUES (?1, ?2)");
  for (const auto& [member, value] : identity.items()) {
    const auto text = value.dump();
    set_text(add.get(), 1, member);
    set_text(add.get(), 2, text);
    if (const int code = ::sqlite3_step(add.get()); code != SQLITE_DONE)
      refuse(code);
    ::sqlite3_reset(add.get());
  }
  expect("COMMIT");
}

void journal::compare(const json& identity) {
  const auto all = prepare("SELECT member, value FROM job");
  int code = 0;
  while ((code = ::sqlite3_step(all.get())) == SQLITE_ROW) {
    const auto member = text_at(all.get(), 0);
    const auto there = json::parse(text_at(all.get(), 1), nullptr, false);
    if (const auto here = identity.value(member, json{}); here != there)
      throw config_error(fmt::format("the journal {} is of another job: {}",
                                     config::printable(file_), difference(member, there, here)));
  }
  if (code != SQLITE_DONE)
    refuse(code);
}

std::uint64_t journal::size() {
  return static_cast<std::uint64_t>(number(failed_again_
                                             ? "SELECT count(*) FROM outcome WHERE failure IS NULL"
                                             : "SELECT count(*) FROM outcome"));
}

std::optional<completion> journal::find(std::uint64_t item, const json& input) {
  if (!error_.empty())
    return std::nullopt;
  ::sqlite3_bind_int64(find_.get(), 1, static_cast<std::int64_t>(item));
  std::optional<completion> found;
  const int code = ::sqlite3_step(find_.get());
  if (code == SQLITE_ROW) {
    const auto there = text_at(find_.get(), 0);
    const bool failed = ::sqlite3_column_type(find_.get(), 1) != SQLITE_NULL;
    if (const auto here = input_text(input); here != there)
      fail(fmt::format("input {} is {}, but the journal has {} there: the inputs have changed; "
                       "give the same ones, or remove the journal and begin anew",
                       item, config::shortened(config::printable(here), 60),
                       config::shortened(config::printable(there), 60)));
    else if (!failed || !failed_again_) {
      found.emplace(completion{stage::map, item, std::nullopt, {}, true});
      if (failed)
        found->failed = failure_from(text_at(find_.get(), 1));
      const auto* bytes = ::sqlite3_column_blob(find_.get(), 2);
      found->result.append(bytes, static_cast<std::size_t>(::sqlite3_column_bytes(find_.get(), 2)));
    }
  } else if (code != SQLITE_DONE) {
    fail(why(db_.get()));
  }
  ::sqlite3_reset(find_.get());
  return found;
}

void journal::put(const completion& c, const json& input) {
  if (!error_.empty() || c.kept || !is_final(c))
    return;
  if (!open_transaction_ && !run("BEGIN"))
    return;
  open_transaction_ = true;
  const auto text = input_text(input);
  const auto failed = c.failed ? failure_text(*c.failed) : std::string{};
  const auto bytes = c.result.bytes();
  ::sqlite3_bind_int64(put_.get(), 1, static_cast<std::int64_t>(c.item));
  set_text(put_.get(), 2, text);
  if (c.failed) // else it is null, as every value of a fresh statement
    set_text(put_.get(), 3, failed);
  const int bound = ::sqlite3_bind_blob64(put_.get(), 4, bytes.data(), bytes.size(), SQLITE_STATIC);
  if (bound != SQLITE_OK || ::sqlite3_step(put_.get()) != SQLITE_DONE)
    fail(fmt::format("the outcome of input {}: {}", c.item, why(db_.get())));
  ::sqlite3_reset(put_.get());
  ::sqlite3_clear_bindings(put_.get());
}

void journal::flush() {
  if (std::exchange(open_transaction_, false) && error_.empty())
    run("COMMIT");
}

/// The transaction is taken back when the file is closed, where SQLite has not done so already.
void journal::fail(const std::string& why) { error_ = why; }

bool journal::run(const char* sql) noexcept {
  if (::sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK)
    return true;
  fail(why(db_.get()));
  return false;
}

void journal::expect(const char* sql) {
  if (const int code = ::sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr); code != SQLITE_OK)
    refuse(code);
}

std::int64_t journal::number(const char* sql) {
  const auto s = prepare(sql);
  if (const int code = ::sqlite3_step(s.get()); code != SQLITE_ROW)
    refuse(code);
  return ::sqlite3_column_int64(s.get(), 0);
}

journal::statement journal::prepare(const char* sql) {
  sqlite3_stmt* made = nullptr;
  if (const int code = ::sqlite3_prepare_v2(db_.get(), sql, -1, &made, nullptr); code != SQLITE_OK)
    refuse(code);
  return statement{made};
}

void journal::refuse(int code) {
  const auto name = config::printable(file_);
  if (code == SQLITE_CORRUPT)
    throw config_error(
      fmt::format("the journal {} is damaged; remove it, and begin the job anew", name));
  if (code == SQLITE_NOTADB)
    throw config_error(
      fmt::format("{} is no journal of a job, or another version's; choose another "
                  "file, which may not be there yet",
                  name));
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
    throw config_error(fmt::format("the journal {} is another job's that runs now; wait for it, or "
                                   "choose another file",
                                   name));
  throw config_error(
    fmt::format("the journal {} cannot be opened: {}; give a file in a folder that is there, yours "
                "and not full",
                name, why(db_.get())));
}

} // namespace bulkhead::command
