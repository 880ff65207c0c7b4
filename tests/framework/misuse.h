// How tests of misuse check that it is refused: by an Error whose message says enough, with nothing changed.
#pragma once

#include <exception>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "framework/tensor.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {

/// Calls `misuse`, which must throw an Error whose message contains every one of `parts`, and leave
/// `involved` as they were.
inline void refused(const std::vector<Tensor>& involved, std::initializer_list<const char*> parts,
                    const std::function<void()>& misuse) {
  struct Before {
    Shape shape;
    uint32_t version;
    std::vector<double> values;
  };
  std::vector<Before> before;
  for (const Tensor& x : involved) before.push_back({x.shape(), x.version(), numbers(x)});
  std::string message;
  try {
    misuse();
    FAIL_CHECK("nothing was thrown; expected an error that says " << *parts.begin());
  } catch (const Error& error) {
    message = error.what();
  } catch (const std::exception& other) {
    FAIL_CHECK("not an Error: " << other.what());
  }
  if (!message.empty())
    for (const char* part : parts) CHECK_THAT(message, contains_text(part));
  for (size_t i = 0; i < involved.size(); ++i) {
    CHECK(involved[i].shape() == before[i].shape);
    CHECK(involved[i].version() == before[i].version);
    CHECK(numbers(involved[i]) == before[i].values);
  }
}

}  // namespace reel
