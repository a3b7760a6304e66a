#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

/// Pixels in memory: red, green, blue, red, ... by rows.
struct image {
  std::size_t width = 0;
  std::size_t height = 0;
  std::vector<std::uint8_t> rgb;
};

/// Decodes a JPEG (libturbojpeg) or PNG (libpng) file. Throws std::runtime_error with what the
/// codec says.
image read_image(const std::filesystem::path& file);

/// The suffix decides: .jpg or .png.
void write_image(const std::filesystem::path& file, const image& picture);

/// Each pixel the mean of the pixels it stands for; fits into a square of `side`.
image shrink(const image& picture, std::size_t side);
