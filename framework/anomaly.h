// Finding where a nan or an infinity comes from, and labels that say where in the program an op was recorded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace reel {

/// Labels what is recorded in its scope: `Scope scope("decoder");`. Scopes nest, as "decoder/attention". Errors
/// that speak of a recorded op name its labels.
class Scope {
 public:
  explicit Scope(std::string_view label);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  const std::string& label() const { return label_; }
  const Scope* outer() const { return outer_; }

 private:
  std::string label_;
  const Scope* outer_;
};

struct AnomalyOptions {
  bool infinities =
      true;  ///< Infinities are errors too; set it to false where they are meant (masks of -inf).
};

/// In its scope every op on this thread, forward and backward, looks at what it has produced, and the first nan
/// or infinity is thrown as an Error: it names the op, the shapes, whether an input had one already, and the
/// labels under which the op ran or, in backward, was recorded. Costs a pass over every result; works with and
/// without a tape.
class AnomalyMode {
 public:
  explicit AnomalyMode(AnomalyOptions options = {});
  ~AnomalyMode();
  AnomalyMode(const AnomalyMode&) = delete;
  AnomalyMode& operator=(const AnomalyMode&) = delete;

 private:
  uint8_t before_;
};

}  // namespace reel
