// A scan by the compiled loop. Internal.
#pragma once

#include <string>

#include <reel/layers/scan.h>

namespace reel::detail {

/// Runs the scan by a plan of its step, made now or before, if there can be one; else changes nothing, says in
/// `reason` why, and returns false. T is at least 1.
bool scan_compiled(StepFunction step, const Tensor& xs, std::vector<Tensor>& state,
                   const ScanOptions& options, Tensor& output, std::string& reason);

}  // namespace reel::detail
