#include "samples.hpp"

#include "image.hpp"

#include <cmath>
#include <fstream>
#include <string>

namespace fs = std::filesystem;

namespace {

/// Rings of colour; each number gives another picture.
image draw(std::size_t width, std::size_t height, int number) {
  image picture{width, height, {}};
  for (std::size_t y = 0; y < height; ++y)
    for (std::size_t x = 0; x < width; ++x)
      for (int channel = 0; channel < 3; ++channel) {
        const double distance = std::hypot(static_cast<double>(x) - 60.0 * number,
                                           static_cast<double>(y) - 40.0 * number);
        const double wave = std::sin(distance / (8 + number) + channel);
        picture.rgb.push_back(static_cast<std::uint8_t>(127.5 + 127.5 * wave));
      }
  return picture;
}

void overwrite(const fs::path& file, std::streamoff where, const std::string& text) {
  std::fstream{file, std::ios::binary | std::ios::in | std::ios::out}.seekp(where) << text;
}

} // namespace

void make_samples(const fs::path& folder) {
  fs::create_directories(folder);
  for (int i = 0; i < 10; ++i) {
    const auto number = std::to_string(i);
    const auto side = static_cast<std::size_t>(300 + 40 * i);
    write_image(folder / ("photo" + number + ".jpg"), draw(2 * side, side, i));
    write_image(folder / ("chart" + number + ".png"), draw(side, side, i));
  }
  fs::resize_file(folder / "photo2.jpg", 0);                // the disk was full
  fs::resize_file(folder / "photo5.jpg", 4000);             // the download broke off
  overwrite(folder / "photo7.jpg", 0, "<html><body>404");   // the server was wrong
  fs::resize_file(folder / "chart3.png", 2000);             // the download broke off
  overwrite(folder / "chart8.png", 1000, "a broken cable"); // some bits are not what they were
}
