//[
// word_lengths.cpp, linked as a shared library with bulkhead::bulkhead
#include <bulkhead/task.hpp>

#include <string>

std::size_t length(const std::string& word) { return word.size(); }

BULKHEAD_TASK("words.length", length)
//]
