#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace bulkhead::testing {

/// The bulkhead command as a child, its output read as it comes.
class command {
public:
  enum class terminal { none, standard_error, narrow };

  /// Starts it. With a terminal its standard error is one, of 100 columns, or of 12. With `traced`
  /// each process and thread that it starts is counted. `input` becomes its standard input; -1:
  /// ours.
  explicit command(std::vector<std::string> arguments, terminal shown = terminal::none,
                   bool traced = false, int input = -1);
  command(const command&) = delete;
  command& operator=(const command&) = delete;
  /// Kills it where it still runs.
  ~command();

  pid_t pid() const noexcept { return pid_; }
  void signal(int number) const;
  /// Closes the reading end of its standard output.
  void close_output();

  /// Reads until its standard output or error holds the text. False when it ended before.
  bool wait_for_text(const std::string& text);
  /// Reads to the end and waits for it. The exit status, or 1000 + signal.
  int wait();

  const std::string& out() const noexcept { return out_; }
  const std::string& err() const noexcept { return err_; }
  /// Processes and threads it started; only where traced.
  int started() const noexcept { return started_; }

private:
  bool read_some(std::chrono::milliseconds patience);
  void wait_traced();

  pid_t pid_ = -1;
  int out_fd_ = -1;
  int err_fd_ = -1;
  bool traced_ = false;
  bool ended_ = false;
  int status_ = 0;
  int started_ = 0;
  std::string out_;
  std::string err_;
};

} // namespace bulkhead::testing
