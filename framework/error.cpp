#include "framework/error.h"

#include <fmt/format.h>

namespace reel::detail {

std::string text(double value) { return fmt::format("{}", value); }

std::string format(std::string_view message, std::initializer_list<std::string> args) {
  std::string result;
  result.reserve(message.size() + 64);
  auto next = args.begin();
  for (size_t i = 0; i < message.size(); ++i) {
    if (message.substr(i, 2) == "{}" && next != args.end()) {
      result += *next++;
      ++i;
    } else {
      result += message[i];
    }
  }
  return result;
}

}  // namespace reel::detail
