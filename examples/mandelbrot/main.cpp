// Draws the Mandelbrot set: each row of pixels is a task, the picture is written as PNG.
//
//     mandelbrot [FILE.png]

#include <bulkhead/bulkhead.hpp>

#include <png.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <numbers>
#include <ranges>
#include <string>
#include <vector>

constexpr int width = 1200;
constexpr int height = 800;
constexpr int max_steps = 400;

using pixels = std::vector<std::uint8_t>; ///< red, green, blue, red, ...

/// How fast the point escapes, in steps with a fraction; max_steps: it does not.
double escape_time(std::complex<double> c) {
  std::complex<double> z = 0;
  for (int step = 0; step < max_steps; ++step) {
    z = z * z + c;
    if (std::norm(z) > 256)
      return step + 1 - std::log2(std::log2(std::norm(z)) / 8);
  }
  return max_steps;
}

/// One channel of a palette that goes round and round: blue, white, gold, black.
std::uint8_t channel(double time, double phase) {
  const double wave = std::cos(2 * std::numbers::pi * (0.16 * std::sqrt(time) + phase));
  return static_cast<std::uint8_t>(std::clamp(127.5 - 127.5 * wave, 0.0, 255.0));
}

pixels row(int y) {
  pixels line;
  line.reserve(3 * width);
  for (int x = 0; x < width; ++x) {
    const std::complex<double> c{-2.35 + 3.6 * x / width, 1.2 - 2.4 * y / height};
    const double time = escape_time(c);
    for (const double phase : {-0.16, -0.10, -0.02})
      line.push_back(time >= max_steps ? std::uint8_t{0} : channel(std::max(time, 0.0), phase));
  }
  return line;
}

void write_png(const std::string& file, const pixels& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = width;
  image.height = height;
  image.format = PNG_FORMAT_RGB;
  if (!png_image_write_to_file(&image, file.c_str(), 0, picture.data(), 0, nullptr)) {
    std::cerr << file << ": " << image.message << '\n';
    std::exit(1);
  }
}

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const std::string file = argc > 1 ? argv[1] : "mandelbrot.png";

  bulkhead::pool pool;
  pixels picture;
  for (const auto& line : pool.imap(row, std::views::iota(0, height)))
    picture.insert(picture.end(), line.begin(), line.end());
  write_png(file, picture);

  std::cout << pool.stats().succeeded << " rows from " << pool.workers().size() << " processes\n"
            << "wrote " << file << ", " << width << " x " << height << " pixels\n";
}
