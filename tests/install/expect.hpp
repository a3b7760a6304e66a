#pragma once

#include <cstdio>
#include <cstdlib>

/// Ends the program with the line that failed; this project uses no test framework.
#define EXPECT(condition)                                                                          \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      std::fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition);                \
      std::exit(1);                                                                                \
    }                                                                                              \
  } while (false)

/// Expects `expression` to throw `type` and gives the exception to `check`.
#define EXPECT_THROW(expression, type, check)                                                      \
  try {                                                                                            \
    (void)(expression);                                                                            \
    std::fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #type);                       \
    std::exit(1);                                                                                  \
  } catch (const type& caught) {                                                                   \
    EXPECT(check);                                                                                 \
  }
