// A task library: counts lines, words and bytes of files, and how often each word occurs.
//
//     bulkhead run config/word_count.json

#include <bulkhead/task.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <vector>

namespace word_count {

/// What is known of some files. One result of `count` is about one file; merging adds them up.
struct counts {
  std::uint64_t files = 0;
  std::uint64_t lines = 0; ///< newlines, as wc -l counts
  std::uint64_t words = 0; ///< as wc -w counts in the C locale
  std::uint64_t bytes = 0;
  std::unordered_map<std::string, std::uint64_t> occurrences; ///< of runs of letters, in lower case
};

template <class Inspector>
bool inspect(Inspector& f, counts& x) {
  return f.object(x).fields(f.field("files", x.files), f.field("lines", x.lines),
                            f.field("words", x.words), f.field("bytes", x.bytes),
                            f.field("occurrences", x.occurrences));
}

/// Counts a text that comes in pieces.
class counter {
public:
  void take(std::string_view piece) {
    total_.bytes += piece.size();
    for (const char c : piece)
      take(static_cast<unsigned char>(c));
  }

  counts finish() {
    end_of_letters();
    total_.files = 1;
    return std::move(total_);
  }

private:
  void take(unsigned char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter)
      letters_ += static_cast<char>(c | 0x20);
    else
      end_of_letters();
    total_.lines += c == '\n';
    // wc: white space ends a word, and only a printable character begins one.
    if (c == ' ' || (c >= '\t' && c <= '\r'))
      in_word_ = false;
    else if (c > ' ' && c < 0x7F && !in_word_) {
      in_word_ = true;
      ++total_.words;
    }
  }

  void end_of_letters() {
    if (letters_.empty())
      return;
    ++total_.occurrences[letters_];
    letters_.clear();
  }

  counts total_;
  std::string letters_;
  bool in_word_ = false;
};

counts count(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in)
    throw std::system_error(errno, std::generic_category(), "cannot open " + file.string());
  counter c;
  std::array<char, 1 << 16> block;
  while (in.read(block.data(), block.size()), in.gcount() > 0)
    c.take({block.data(), static_cast<std::size_t>(in.gcount())});
  if (in.bad())
    throw std::system_error(errno, std::generic_category(), "cannot read " + file.string());
  return c.finish();
}

counts merge(const std::vector<counts>& parts) {
  counts total;
  for (const auto& part : parts) {
    total.files += part.files;
    total.lines += part.lines;
    total.words += part.words;
    total.bytes += part.bytes;
    for (const auto& [word, times] : part.occurrences)
      total.occurrences[word] += times;
  }
  return total;
}

std::string line(std::uint64_t number, std::string_view what) {
  auto text = std::to_string(number);
  text.insert(0, text.size() < 12 ? 12 - text.size() : 0, ' ');
  return text + "  " + std::string(what) + '\n';
}

/// Totals and the most frequent words: more frequent first, then by alphabet.
std::string report(const counts& total) {
  constexpr std::size_t most = 10;
  std::vector<std::pair<std::string, std::uint64_t>> words(total.occurrences.begin(),
                                                           total.occurrences.end());
  const auto middle = words.begin() + static_cast<std::ptrdiff_t>(std::min(most, words.size()));
  std::partial_sort(words.begin(), middle, words.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  auto text = line(total.files, "files") + line(total.lines, "lines") + line(total.words, "words")
              + line(total.bytes, "bytes") + line(words.size(), "different words") + "\n";
  for (auto word = words.begin(); word != middle; ++word)
    text += line(word->second, word->first);
  return text;
}

/// One file as a line of wc: "lines words bytes name".
std::string wc(const std::filesystem::path& file) {
  const auto c = count(file);
  return std::to_string(c.lines) + ' ' + std::to_string(c.words) + ' ' + std::to_string(c.bytes)
         + ' ' + file.string();
}

} // namespace word_count

BULKHEAD_TASK("word_count.count", word_count::count)
BULKHEAD_TASK("word_count.merge", word_count::merge)
BULKHEAD_TASK("word_count.report", word_count::report)
BULKHEAD_TASK("word_count.wc", word_count::wc)
