#pragma once

#include <filesystem>

/// Fills a folder with pictures, some of which are corrupt in the ways of real folders.
void make_samples(const std::filesystem::path& folder);
