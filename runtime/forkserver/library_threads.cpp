#include "runtime/forkserver/library_threads.hpp"

#include <dlfcn.h>

#include <array>
#include <charconv>
#include <cstdlib>

// Numerical libraries take a thread for each CPU, so that N workers would have N times as many as
// the machine. The variables are read when such a library is loaded. One that came with the program
// has read them before this worker was forked.
namespace bulkhead::runtime {

namespace {

constexpr std::array variables{
  "OMP_NUM_THREADS",  "OPENBLAS_NUM_THREADS",   "GOTO_NUM_THREADS",    "MKL_NUM_THREADS",
  "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS",
  "TBB_NUM_THREADS",  "RAYON_NUM_THREADS"};

/// Each takes an int.
constexpr std::array functions{"omp_set_num_threads", "openblas_set_num_threads",
                               "MKL_Set_Num_Threads"};

} // namespace

void limit_library_threads(std::uint32_t threads) noexcept {
  std::array<char, 12> text{};
  std::to_chars(text.data(), text.data() + text.size() - 1, threads);
  for (const auto* name : variables)
    ::setenv(name, text.data(), 1);
  for (const auto* name : functions)
    if (auto* found = ::dlsym(RTLD_DEFAULT, name); found != nullptr)
      reinterpret_cast<void (*)(int)>(found)(static_cast<int>(threads));
}

} // namespace bulkhead::runtime
