#pragma once

#include "tools/config/job.hpp"

#include <string>

namespace bulkhead::config {

/// Makes a job of a document that fits the schema. Relative paths are taken from `base`. Times
/// and sizes that exceed what can be expressed are problems.
job read_job(const document& from, const std::filesystem::path& base, problems& found);

/// The pool options alone; what is missing has the default of pool_options. Paths begin at `base`.
pool_options read_pool(const document& from, const std::filesystem::path& base, problems& found,
                       const pointer& at = pointer{} / "pool");

/// A path of the file, which begins at `base`. Never "-", which is a stream.
std::string path_from(const std::filesystem::path& base, const std::string& path);

/// BULKHEAD_ENGINE_URL of the environment: the broker's URL where none is written, so that its
/// password stands in no file and on no command line. Empty where it is not set.
std::string engine_url();

} // namespace bulkhead::config
