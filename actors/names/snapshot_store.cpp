#include "actors/names/snapshot_store.hpp"

#include <bulkhead/error.hpp>

#include <sqlite3.h>

#include <system_error>
#include <utility>

// SQLite in its journal mode WAL: a commit is a write to the log, which the system keeps whatever
// becomes of this process; it waits for the disk only when the log is moved into the table, now and
// then. In exclusive mode the lock is held as long as the database is open, and goes with the
// process.
namespace bulkhead::actors {

namespace {

namespace fs = std::filesystem;

struct open_stores {
  std::mutex mutex;
  std::map<fs::path, std::weak_ptr<snapshot_store>> by_folder;
  static open_stores& instance() {
    static auto& only = *new open_stores;
    return only;
  }
};

fs::path made_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  auto canonical = error ? fs::path{} : fs::canonical(folder, error);
  if (error)
    throw config_error("supervisor_options::journal is '" + folder.string()
                       + "', which is no folder and cannot be made: " + error.message()
                       + "; name a folder that this user may write");
  return canonical;
}

int bind_text(sqlite3_stmt* to, int at, const std::string& text) {
  return sqlite3_bind_text64(to, at, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

} // namespace

void snapshot_store::close_database::operator()(sqlite3* database) const noexcept {
  sqlite3_close(database);
}

void snapshot_store::end_statement::operator()(sqlite3_stmt* statement) const noexcept {
  sqlite3_finalize(statement);
}

std::shared_ptr<snapshot_store> snapshot_store::of(const fs::path& folder) {
  const auto canonical = made_folder(folder);
  auto& all = open_stores::instance();
  // An old one may be in its destructor, which has the file until it is done; then this fails as if
  // another process had it, and says so.
  const std::lock_guard lock{all.mutex};
  auto& known = all.by_folder[canonical];
  auto store = known.lock();
  if (!store) {
    store.reset(new snapshot_store(canonical / "snapshots.sqlite"));
    known = store;
  }
  return store;
}

snapshot_store::snapshot_store(const fs::path& file) : file_(file.string()) {
  sqlite3* opened = nullptr;
  const int got =
    sqlite3_open_v2(file_.c_str(), &opened,
                    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, nullptr);
  database_.reset(opened);
  if (got != SQLITE_OK)
    fail("cannot be opened");
  execute("PRAGMA locking_mode = EXCLUSIVE");
  execute("PRAGMA journal_mode = WAL");
  execute("PRAGMA synchronous = NORMAL");
  execute("CREATE TABLE IF NOT EXISTS snapshots (child TEXT PRIMARY KEY, bytes BLOB NOT NULL)");
  insert_ = prepare("INSERT OR REPLACE INTO snapshots (child, bytes) VALUES (?1, ?2)");
  select_ = prepare("SELECT bytes FROM snapshots WHERE child = ?1");
}

// The thread first: what it still has to write needs the rest.
snapshot_store::~snapshot_store() { thread_.stop(); }

void snapshot_store::fail(const char* what) const {
  const int code = sqlite3_errcode(database_.get());
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
    throw config_error("the journal '" + file_
                       + "' is in use by another process; give each host a folder of its own");
  throw config_error("the journal '" + file_ + "' " + what + ": "
                     + sqlite3_errmsg(database_.get()));
}

void snapshot_store::execute(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    fail("cannot be used");
}

snapshot_store::statement snapshot_store::prepare(const char* sql) {
  sqlite3_stmt* made = nullptr;
  if (sqlite3_prepare_v2(database_.get(), sql, -1, &made, nullptr) != SQLITE_OK)
    fail("holds something else than snapshots");
  return statement{made};
}

std::optional<std::string> snapshot_store::read(const std::string& child) {
  {
    const std::lock_guard lock{mutex_};
    for (const auto* known : {&waiting_, &written_now_})
      if (const auto at = known->find(child); at != known->end())
        return at->second.bytes;
  }
  const std::lock_guard lock{read_mutex_};
  bind_text(select_.get(), 1, child);
  const int got = sqlite3_step(select_.get());
  std::optional<std::string> found;
  if (got == SQLITE_ROW) {
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(select_.get(), 0));
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(select_.get(), 0));
    found = size == 0 ? std::string{} : std::string(bytes, size);
  }
  sqlite3_reset(select_.get());
  sqlite3_clear_bindings(select_.get());
  if (got != SQLITE_ROW && got != SQLITE_DONE)
    fail("cannot be read");
  return found;
}

void snapshot_store::write(const std::string& child, std::string bytes, done_handler done) {
  {
    const std::lock_guard lock{mutex_};
    auto& mine = waiting_[child];
    mine.bytes = std::move(bytes);
    mine.done.push_back(std::move(done));
  }
  thread_.run([this] { write_waiting(); });
}

// All that has come meanwhile in one transaction: under load many snapshots share its price.
void snapshot_store::write_waiting() {
  {
    const std::lock_guard lock{mutex_};
    written_now_ = std::exchange(waiting_, {});
  }
  std::string why;
  try {
    if (!written_now_.empty())
      write_all(written_now_);
  } catch (const config_error& e) {
    sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    why = std::string("keep_state: ") + e.what();
  }
  std::map<std::string, waiting> told;
  {
    const std::lock_guard lock{mutex_};
    told.swap(written_now_);
  }
  for (const auto& [child, each] : told)
    for (const auto& done : each.done)
      done(why);
}

void snapshot_store::write_all(const std::map<std::string, waiting>& all) {
  execute("BEGIN");
  for (const auto& [child, each] : all) {
    bind_text(insert_.get(), 1, child);
    sqlite3_bind_blob64(insert_.get(), 2, each.bytes.data(), each.bytes.size(), SQLITE_STATIC);
    const int got = sqlite3_step(insert_.get());
    sqlite3_reset(insert_.get());
    sqlite3_clear_bindings(insert_.get());
    if (got != SQLITE_DONE)
      fail("cannot be written");
  }
  execute("COMMIT");
}

} // namespace bulkhead::actors
